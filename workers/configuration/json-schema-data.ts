/* oxlint-disable max-lines -- a table: made from config-schema.ts and model-schema.ts by json-schema.test.ts */

export const configFile: object = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    state: { type: 'string' },
    temporal: {
      type: 'object',
      properties: {
        address: { type: 'string', examples: ['127.0.0.1:7233'] },
        namespace: { type: 'string', minLength: 1, maxLength: 255 },
        apiKey: { type: 'string', pattern: '^secret:[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$' },
        tls: {
          type: 'object',
          properties: {
            serverName: { type: 'string', minLength: 1, maxLength: 253 },
            serverCa: { type: 'string', pattern: '^secret:[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$' },
            clientCert: { type: 'string', pattern: '^secret:[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$' },
            clientKey: { type: 'string', pattern: '^secret:[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$' },
          },
          additionalProperties: false,
        },
      },
      additionalProperties: false,
    },
    artifacts: { type: 'string' },
    owner: { type: 'string', pattern: '^[a-z][a-z0-9-]{0,62}$' },
    sites: { type: 'object', propertyNames: { type: 'string' }, additionalProperties: {} },
    endpoints: {
      type: 'object',
      propertyNames: { type: 'string', pattern: '^[a-z][a-z0-9-]{0,62}$' },
      additionalProperties: {
        type: 'object',
        properties: { site: { type: 'string', minLength: 1, maxLength: 127 } },
        required: ['site'],
        additionalProperties: false,
      },
    },
    models: {
      anyOf: [
        { type: 'string', examples: ['models/*.yaml'] },
        { minItems: 1, maxItems: 100, type: 'array', items: { type: 'string', examples: ['models/*.yaml'] } },
      ],
    },
    code: {
      type: 'object',
      properties: {
        include: { minItems: 0, maxItems: 200, type: 'array', items: { type: 'string', examples: ['models/*.yaml'] } },
        exclude: { minItems: 0, maxItems: 200, type: 'array', items: { type: 'string', examples: ['models/*.yaml'] } },
      },
      additionalProperties: false,
    },
    metrics: {
      anyOf: [
        { enum: ['none'] },
        {
          type: 'object',
          properties: { port: { type: 'integer', minimum: 0, maximum: 65535 } },
          required: ['port'],
          additionalProperties: false,
        },
      ],
    },
    limits: {
      type: 'object',
      properties: {
        heartbeat: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
        noWorkerAfter: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
        capacityAfter: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
        drain: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
        stickyTimeout: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
        cachedWorkflows: { type: 'integer', minimum: 0, maximum: 100000 },
      },
      additionalProperties: false,
    },
  },
  additionalProperties: false,
  title: 'Retempo configuration',
};

export const modelFile: object = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    model: { type: 'string', pattern: '^[a-z][a-z0-9-]{0,62}$' },
    description: { type: 'string', minLength: 1, maxLength: 2000 },
    task: { enum: ['binary', 'regression'] },
    data: {
      type: 'object',
      properties: {
        source: { type: 'string' },
        time: { type: 'string', minLength: 1, maxLength: 256 },
        key: { type: 'string', minLength: 1, maxLength: 256 },
        unit: { type: 'string', minLength: 1, maxLength: 256 },
        label: {
          anyOf: [
            { type: 'string', minLength: 1, maxLength: 256 },
            {
              type: 'object',
              properties: {
                column: { type: 'string', minLength: 1, maxLength: 256 },
                arrivesAfter: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
              },
              required: ['column'],
              additionalProperties: false,
            },
          ],
        },
        features: {
          type: 'object',
          properties: {
            include: {
              anyOf: [
                { enum: ['all'] },
                {
                  minItems: 1,
                  maxItems: 10000,
                  type: 'array',
                  items: { type: 'string', minLength: 1, maxLength: 256 },
                },
              ],
            },
            except: {
              minItems: 0,
              maxItems: 10000,
              type: 'array',
              items: { type: 'string', minLength: 1, maxLength: 256 },
            },
            important: {
              minItems: 0,
              maxItems: 10000,
              type: 'array',
              items: { type: 'string', minLength: 1, maxLength: 256 },
            },
          },
          additionalProperties: false,
        },
        split: {
          type: 'object',
          properties: {
            train: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
            gap: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
            evaluate: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
          },
          additionalProperties: false,
        },
        validate: {
          minItems: 0,
          maxItems: 1000,
          type: 'array',
          items: {
            type: 'object',
            properties: {
              column: { type: 'string', minLength: 1, maxLength: 256 },
              type: { enum: ['number', 'string', 'boolean', 'time'] },
              min: { type: 'number' },
              max: { type: 'number' },
              missingAtMost: {
                anyOf: [
                  { type: 'string', pattern: '^[0-9.]+ ?%$' },
                  { type: 'number', minimum: 0, maximum: 1 },
                ],
              },
              oneOf: { minItems: 1, maxItems: 1000, type: 'array', items: { type: ['string', 'number', 'boolean'] } },
            },
            required: ['column'],
            additionalProperties: false,
          },
        },
      },
      required: ['source', 'time', 'label'],
      additionalProperties: false,
    },
    train: {
      type: 'object',
      properties: {
        run: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, minItems: 1 }] },
        image: { not: {} },
        at: { minItems: 1, maxItems: 20, type: 'array', items: { type: 'string', examples: ['onprem.local/cpu'] } },
        resources: {
          type: 'object',
          properties: {
            cpu: { type: 'number', maximum: 4096, exclusiveMinimum: 0 },
            memory: { type: 'string', pattern: '^[0-9.]+ ?(B|[KMGT]i?B?)$', examples: ['4Gi'] },
            gpu: { not: {} },
          },
          additionalProperties: false,
        },
        parameters: {
          type: 'object',
          propertyNames: { type: 'string', minLength: 1, maxLength: 128 },
          additionalProperties: {},
        },
        env: {
          type: 'object',
          propertyNames: { type: 'string' },
          additionalProperties: { type: 'string', maxLength: 4096 },
        },
        timeout: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
        atMost: {
          anyOf: [{ type: 'string', pattern: '^[0-9.]+ [A-Z]{3}$', examples: ['20 USD'] }, { enum: ['none'] }],
        },
        attemptsPerPool: { type: 'integer', minimum: 1, maximum: 100 },
      },
      required: ['run'],
      additionalProperties: false,
    },
    evaluate: {
      type: 'object',
      properties: {
        run: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, minItems: 1 }] },
        image: { not: {} },
        predictions: {
          type: 'object',
          properties: {
            key: { type: 'string', minLength: 1, maxLength: 256 },
            probability: { type: 'string', minLength: 1, maxLength: 256 },
            value: { type: 'string', minLength: 1, maxLength: 256 },
          },
          additionalProperties: false,
        },
        timeout: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
      },
      required: ['run'],
      additionalProperties: false,
    },
    code: {
      type: 'object',
      properties: {
        include: { minItems: 0, maxItems: 200, type: 'array', items: { type: 'string', examples: ['models/*.yaml'] } },
        exclude: { minItems: 0, maxItems: 200, type: 'array', items: { type: 'string', examples: ['models/*.yaml'] } },
      },
      additionalProperties: false,
    },
    gate: {
      type: 'object',
      properties: {
        metrics: {
          type: 'object',
          propertyNames: { type: 'string', minLength: 1, maxLength: 64 },
          additionalProperties: {
            type: 'object',
            properties: {
              atMost: { type: 'number' },
              atLeast: { type: 'number' },
              notWorseBy: { type: 'number', minimum: 0 },
              betterBy: { type: 'number', exclusiveMinimum: 0 },
              worstRow: { type: 'number', exclusiveMinimum: 0 },
            },
            additionalProperties: false,
          },
        },
        minRows: { type: 'integer', minimum: 1, maximum: 1000000000000 },
        confidence: {
          anyOf: [
            { type: 'string', pattern: '^[0-9.]+ ?%$' },
            { type: 'number', minimum: 0, maximum: 1 },
          ],
        },
        slices: {
          anyOf: [
            { enum: ['none'] },
            {
              type: 'object',
              properties: {
                by: {
                  minItems: 1,
                  maxItems: 50,
                  type: 'array',
                  items: { type: 'string', minLength: 1, maxLength: 256 },
                },
                minRows: { type: 'integer', minimum: 1, maximum: 1000000000000 },
              },
              required: ['by'],
              additionalProperties: false,
            },
          ],
        },
        anchor: {
          anyOf: [
            { enum: ['none'] },
            {
              type: 'object',
              properties: {
                version: { type: 'string', minLength: 1, maxLength: 64 },
                notWorseBy: { type: 'number', minimum: 0 },
              },
              required: ['version', 'notWorseBy'],
              additionalProperties: false,
            },
          ],
        },
        approval: {
          anyOf: [
            { enum: ['none'] },
            {
              type: 'object',
              properties: {
                quorum: { type: 'integer', minimum: 1, maximum: 20 },
                from: {
                  minItems: 0,
                  maxItems: 100,
                  type: 'array',
                  items: { type: 'string', minLength: 1, maxLength: 128 },
                },
                expires: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
              },
              additionalProperties: false,
            },
          ],
        },
      },
      additionalProperties: false,
    },
    release: {
      type: 'object',
      properties: {
        to: { type: 'string', examples: ['endpoint:flight-delay'] },
        strategy: { enum: ['canary'] },
        steps: { minItems: 1, maxItems: 50, type: 'array', items: { type: 'integer', minimum: 1, maximum: 99 } },
        holdback: { type: 'string', pattern: '^[0-9]+ ?%$', examples: ['1%'] },
        bake: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
        guardrails: {
          type: 'object',
          properties: {
            errors: {
              type: 'object',
              properties: {
                worseThan: { type: 'string', pattern: '^[0-9.]+ ?x$', examples: ['1.5x'] },
                safeBelow: { type: 'string', pattern: '^[0-9.]+ ?x$', examples: ['1.5x'] },
                ignoreBelow: {
                  anyOf: [
                    { type: 'string', pattern: '^[0-9.]+ ?%$' },
                    { type: 'number', minimum: 0, maximum: 1 },
                  ],
                },
                overdispersion: { type: 'number', minimum: 1, maximum: 1000 },
              },
              additionalProperties: false,
            },
            slow: {
              anyOf: [
                { enum: ['none'] },
                {
                  type: 'object',
                  properties: {
                    over: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
                    worseThan: { type: 'string', pattern: '^[0-9.]+ ?x$', examples: ['1.5x'] },
                    safeBelow: { type: 'string', pattern: '^[0-9.]+ ?x$', examples: ['1.5x'] },
                    ignoreBelow: {
                      anyOf: [
                        { type: 'string', pattern: '^[0-9.]+ ?%$' },
                        { type: 'number', minimum: 0, maximum: 1 },
                      ],
                    },
                    overdispersion: { type: 'number', minimum: 1, maximum: 1000 },
                  },
                  required: ['over'],
                  additionalProperties: false,
                },
              ],
            },
          },
          additionalProperties: false,
        },
        alpha: {
          anyOf: [
            { type: 'string', pattern: '^[0-9.]+ ?%$' },
            { type: 'number', minimum: 0, maximum: 1 },
          ],
        },
        lookEvery: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
        stepDeadline: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
        totalDeadline: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
        deployDeadline: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
        onInconclusive: { enum: ['hold', 'rollback'] },
        approval: {
          anyOf: [
            { enum: ['none'] },
            {
              type: 'object',
              properties: {
                before: { type: 'string', pattern: '^[0-9]+ ?%$', examples: ['1%'] },
                quorum: { type: 'integer', minimum: 1, maximum: 20 },
                from: {
                  minItems: 0,
                  maxItems: 100,
                  type: 'array',
                  items: { type: 'string', minLength: 1, maxLength: 128 },
                },
                expires: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
              },
              additionalProperties: false,
            },
          ],
        },
        lease: {
          anyOf: [{ enum: ['none'] }, { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] }],
        },
      },
      additionalProperties: false,
    },
    watch: {
      type: 'object',
      properties: {
        every: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
        compare: { minItems: 1, maxItems: 2, type: 'array', items: { enum: ['training', 'sameSlot'] } },
        minRows: { type: 'integer', minimum: 1, maximum: 1000000000000 },
        loss: {
          anyOf: [
            { enum: ['none'] },
            {
              type: 'object',
              properties: {
                metric: { enum: ['logLoss', 'brier'] },
                tolerate: { type: 'number', maximum: 1000, exclusiveMinimum: 0 },
                clip: { type: 'number', maximum: 1000, exclusiveMinimum: 0 },
                falseAlarmEvery: { type: 'string', pattern: '^[0-9]+ windows?$', examples: ['365 windows'] },
              },
              additionalProperties: false,
            },
          ],
        },
      },
      additionalProperties: false,
    },
    retrain: {
      type: 'object',
      properties: {
        on: {
          type: 'object',
          properties: {
            drift: { type: 'boolean' },
            every: {
              anyOf: [{ enum: ['none'] }, { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] }],
            },
            events: {
              minItems: 0,
              maxItems: 100,
              type: 'array',
              items: { type: 'string', minLength: 1, maxLength: 128 },
            },
          },
          additionalProperties: false,
        },
        cooldown: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
        atMost: {
          type: 'object',
          properties: {
            runs: { type: 'integer', minimum: 1, maximum: 100000 },
            cost: {
              anyOf: [{ type: 'string', pattern: '^[0-9.]+ [A-Z]{3}$', examples: ['20 USD'] }, { enum: ['none'] }],
            },
            per: { type: 'string', pattern: '^[0-9.]+ ?(ms|s|m|h|d)$', examples: ['24h'] },
          },
          additionalProperties: false,
        },
        breakerAfter: { type: 'integer', minimum: 1, maximum: 1000 },
        minGain: { type: 'number', minimum: 0 },
      },
      additionalProperties: false,
    },
  },
  required: ['model', 'data', 'train', 'evaluate'],
  additionalProperties: false,
  title: 'Retempo model file',
};
