/** Where one cluster of one machine lies. */
export type Place = {
  readonly directory: string
  readonly clusterId: string
  readonly port: number
  readonly v1Port: number
}

/** As `mon_host` of ceph.conf has it: both protocols, as krbd speaks only the older one by default. */
export const monitorsOf = ({port, v1Port}: Pick<Place, 'port' | 'v1Port'>): string =>
  `[v2:127.0.0.1:${port},v1:127.0.0.1:${v1Port}]`

/**
 * One monitor, one manager, one OSD on a sparse file, all on loopback. Each has its keyring in its own section: one in `[global]`
 * breaks the manager. The admin socket has the pid in its name, or each `rbd` would warn while another one runs. Read leases (200 s by
 * this ratio) outlast an OSD that is paused: one without replicas does not look again at requests that came while its lease was over
 * (`waiting for readable`, for ever; Ceph 16, seen once).
 */
export const configurationText = (place: Place): string => {
  const {directory, clusterId} = place
  return `[global]
fsid = ${clusterId}
mon_host = ${monitorsOf(place)}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_allow_insecure_global_id_reclaim = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_pool_default_read_lease_ratio = 10
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_data_avail_warn = 1
mon_data_avail_crit = 0
run_dir = ${directory}
crash_dir = ${directory}
admin_socket = ${directory}/$name.$pid.asok
log_file = ${directory}/$name.log
[mon.a]
mon_data = ${directory}/mon
keyring = ${directory}/mon/keyring
[mgr.a]
mgr_data = ${directory}/mgr
keyring = ${directory}/mgr/keyring
[osd.0]
osd_data = ${directory}/osd
keyring = ${directory}/osd/keyring
bluestore_block_size = 10737418240
[client]
log_file =
[client.admin]
keyring = ${directory}/admin.keyring
`
}
