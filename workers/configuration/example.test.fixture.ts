/** A model file as a person writes it: comments, flow style, nearly every key. */
export const exampleText = `# yaml-language-server: $schema=../.retempo/model.schema.json
model: flight-delay
description: Will this flight be more than 15 minutes late?
task: binary                          # multiclass | regression | ranking | generation: sets metrics, prediction columns, checks

data:
  source: data/flights.parquet        # or s3://..., gs://..., az://..., { run: node build.js }
  time: departedAt                    # event time; windows are [from, to) in UTC
  key: flightId                       # joins predictions with labels that arrive later
  unit: departedAt.day                # what varies independently; default: key
  label: { column: late, arrivesAfter: 7d }
  features: { include: all, except: [flightId, late], important: [origin, distance] }
  split: { train: 28d, gap: 7d, evaluate: 7d }       # gap default: arrivesAfter; newest fully labelled window, never trained on
  validate:                           # stops the run before money is spent
    - { column: distance, type: number, min: 0, missingAtMost: 1% }

train:
  run: node train.js                  # or image: repo/trainer@sha256:...
  at: [onprem.local/cpu]              # ordered: first that has capacity; aws.eu-west-1/h100 ... later
  resources: { cpu: 2, memory: 4Gi }  # gpu: { kind: h100, count: 8, nodes: 2 }
  parameters: { rate: 0.05 }
  env: { TOKEN: secret:warehouse-token }             # by reference only
  timeout: 10m
  atMost: 20 USD

evaluate:
  run: node predict.js                # writes one prediction per row; Retempo computes every metric itself
  predictions: { key: flightId, probability: p }

gate:
  metrics:                            # direction is known by name
    logLoss: { atMost: 0.60, notWorseBy: 0.005 }
    auc: { atLeast: 0.60 }
  slices: { by: [origin, dayOfWeek], minRows: 500 }
  anchor: { version: pinned, notWorseBy: 0.01 }      # stops a slow ratchet
  approval: none                      # or { quorum: 2, from: [ml-leads], expires: 48h }

release:
  to: endpoint:flight-delay           # or batch:s3://...: no traffic, compare in shadow, then swap
  strategy: canary
  steps: [5, 25, 50]                  # percent; 100 follows
  holdback: 1%                        # keeps a control while it bakes
  guardrails:
    errors: { worseThan: 1x, safeBelow: 2x, ignoreBelow: 1% }   # roll back when proven above; advance when proven below
    slow: { over: 50ms, worseThan: 1x, safeBelow: 1.5x, ignoreBelow: 2% }

watch:
  every: 7d
  compare: [training, sameSlot]
  loss: { metric: logLoss, tolerate: 0.02, clip: 4.6, falseAlarmEvery: 365 windows }

retrain:
  on: { drift: true, every: 30d, events: [fares-loaded] }
  cooldown: 24h
  atMost: { runs: 8, cost: 100 USD, per: 30d }
`;
