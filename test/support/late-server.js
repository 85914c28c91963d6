import { createServer } from 'node:net';
/** The first frame that an HTTP/2 server sends: SETTINGS, without any. */
const settings = Buffer.from('000000040000000000', 'hex');
/** A server that takes connections and says nothing until it is asked to greet: what is connected then was never let go. */
export async function startLateServer() {
    const sockets = new Set();
    const server = createServer((socket) => {
        sockets.add(socket);
        socket
            .on('error', () => undefined)
            .on('close', () => sockets.delete(socket))
            .resume();
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    return {
        address: `127.0.0.1:${server.address().port}`,
        /** Greets everybody; returns when nobody is connected any more. */
        async greet() {
            for (const socket of sockets)
                socket.write(settings);
            await new Promise((done) => server.close(done));
        },
    };
}
//# sourceMappingURL=late-server.js.map