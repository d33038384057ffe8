/** The scheduled backups, as their metrics tell. */
import type { MetricReader } from "../../runtime/MetricReader.ts"
import * as Ago from "../Ago.ts"
import { html, type Html } from "../Html.ts"
import * as Numbers from "./Numbers.ts"

export const render = (reader: MetricReader, now: number): Html => {
  const last = reader.value("dmp_backup_last_success_timestamp_seconds")
  if (last === undefined)
    return html`<p class="problem">
        The node makes no backups by itself. Set <code>DMP_BACKUP_DIR</code>, and copy what is
        written there to another machine.
      </p>
      <p>
        By hand, while the node runs: <code>dnsmesh-node backup</code>; look at one with
        <code>dnsmesh-node verify</code>.
      </p>`
  const failures = reader.value("dmp_backup_failures_total") ?? 0
  return html`<ul class="tiles">
      <li>
        <b>${last === 0 ? "none yet" : `${Ago.span(now - last)} ago`}</b>
        <span>${last === 0 ? "last backup" : `last backup, ${Ago.utc(last)} UTC`}</span>
      </li>
      <li><b>${Numbers.bytes(reader.value("dmp_backup_bytes") ?? 0)}</b><span>its size</span></li>
      <li>
        <b class="${failures > 0 ? "bad" : ""}">${Numbers.count(failures)}</b>
        <span>failures since the start</span>
      </li>
    </ul>
    <p class="soft">
      A backup on this machine does not survive it: copy the directory elsewhere, and try a restore
      now and then.
    </p>`
}
