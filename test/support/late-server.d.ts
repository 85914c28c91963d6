/** A server that takes connections and says nothing until it is asked to greet: what is connected then was never let go. */
export declare function startLateServer(): Promise<{
    address: string;
    /** Greets everybody; returns when nobody is connected any more. */
    greet(): Promise<void>;
}>;
