/** What the rules of one agent are made of. `interfaces` is the common start of its builders' interface names. */
export type BuilderRules = {
  readonly table: string
  readonly interfaces: string
  readonly subnet: string
  readonly deny: readonly Denied[]
}

/** An address, or a network such as 10.1.0.0/16, that no step may reach; `port` null: by no protocol at all, else by TCP there. */
export type Denied = {readonly address: string; readonly port: number | null}

/** Addresses that no step may ever reach: cloud metadata services, which hand out the host's own credentials. */
const metadataAddresses = ['169.254.169.254']

/**
 * An nftables script that makes the agent's table anew, in one transaction. Builders reach the outside through NAT; not the host
 * itself, not each other (of any agent: all interfaces are named hearth-…), not a metadata service, nothing of `deny`, and nothing by
 * IPv6, which fd00:ec2::254 is part of. Nobody outside reaches into a builder.
 */
export const renderBuilderRules = ({table, interfaces, subnet, deny}: BuilderRules): string => {
  const [whole, ports] = [deny.filter(({port}) => port === null), deny.filter(({port}) => port !== null)].map(withIpv4)
  const denied = [...metadataAddresses, ...(whole ?? []).map(({address}) => address)]
  const ours = `"${interfaces}*"`
  return [
    `table inet ${table}`,
    `delete table inet ${table}`,
    `table inet ${table} {`,
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat; policy accept;',
    `    ip saddr ${subnet} oifname != "hearth-*" masquerade`,
    '  }',
    '  chain forward {',
    '    type filter hook forward priority filter - 5; policy accept;',
    `    iifname ${ours} jump from_builder`,
    `    oifname ${ours} ct state established,related accept`,
    `    oifname ${ours} drop`,
    '  }',
    '  chain from_builder {',
    '    meta nfproto ipv6 drop',
    `    ip daddr { ${denied.join(', ')} } drop`,
    ...(ports ?? []).map(({address, port}) => `    ip daddr ${address} tcp dport ${port} drop`),
    '    oifname "hearth-*" drop',
    '  }',
    '  chain input {',
    '    type filter hook input priority filter - 5; policy accept;',
    `    iifname ${ours} ct state established,related accept`,
    `    iifname ${ours} drop`,
    '  }',
    '}',
    '',
  ].join('\n')
}

const withIpv4 = (deny: readonly Denied[]): readonly Denied[] => deny.filter(({address}) => !address.includes(':'))
