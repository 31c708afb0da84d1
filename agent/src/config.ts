import {checkConfig} from '@hearth/proto/config-file'
import {type Static, Type} from 'typebox'

/** /etc/hearth/agent.yaml. Every key is optional; the command line's flags win over it. */
export const AgentConfig = Type.Object(
  {
    fleet: Type.Optional(Type.String({description: 'URL of the fleet, https://fleet.example:7433'})),
    joinTokenFile: Type.Optional(
      Type.String({description: 'file with the one-time join token, needed for the first start'}),
    ),
    stateDir: Type.Optional(Type.String({description: 'default /var/lib/hearth'})),
    name: Type.Optional(Type.String({maxLength: 253, description: "default: the machine's host name"})),
    slots: Type.Optional(Type.Integer({minimum: 1, maximum: 256, description: 'default 2'})),
    advertise: Type.Optional(Type.String({description: 'address at which clients reach the builders on this host'})),
    builderSubnet: Type.Optional(Type.String({description: 'private network of the builders, default 10.213.0.0/16'})),
    unclaimedAfter: Type.Optional(Type.String({description: 'default 30m'})),
    logLevel: Type.Optional(
      Type.Unsafe<'debug' | 'info' | 'warn' | 'error'>({type: 'string', enum: ['debug', 'info', 'warn', 'error']}),
    ),
  },
  {additionalProperties: false},
)
export type AgentConfig = Static<typeof AgentConfig>

export const parseAgentConfig = (value: unknown, file: string): Readonly<AgentConfig> =>
  checkConfig(AgentConfig, value, file)
