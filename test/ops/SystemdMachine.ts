/**
 * A machine with a real systemd as its first process: this machine's own Debian under an overlay
 * in memory, in namespaces of its own, with a loopback and nothing else for a network. Everything
 * in it, processes and files, is gone when the scope closes.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { daemon, eventually, type Ran, run } from "../fixtures/Tools.ts"

const namespaces = [
  "--mount",
  "--propagation=private",
  "--pid",
  "--cgroup",
  "--uts",
  "--ipc",
  "--net"
]

// /proc/sys is read-only, so that nothing in there sets what all namespaces share.
const boot = `
base=$1; shift
mount -t tmpfs tmpfs "$base"; mkdir "$base/upper" "$base/work" "$base/root"; r=$base/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$r"
mount -t proc proc "$r/proc"; mount --bind "$r/proc/sys" "$r/proc/sys"
mount -o remount,bind,ro "$r/proc/sys"
mount -t sysfs sysfs "$r/sys"; mount -t cgroup2 cgroup2 "$r/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$r/run"; mount -t tmpfs tmpfs "$r/tmp"
mount -t tmpfs -o mode=755 tmpfs "$r/dev"
for device in null zero full random urandom tty; do
  touch "$r/dev/$device"; mount --bind "/dev/$device" "$r/dev/$device"
done
ln -s /proc/self/fd "$r/dev/fd"; mkdir "$r/dev/shm" "$r/dev/pts"; mount -t tmpfs tmpfs "$r/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$r/dev/pts"; ln -s pts/ptmx "$r/dev/ptmx"
for unit in systemd-udevd.service systemd-modules-load.service systemd-remount-fs.service; do
  ln -sf /dev/null "$r/etc/systemd/system/$unit"
done
for file; do
  mkdir -p "$r\${file#*:}"; rmdir "$r\${file#*:}"; cp "\${file%%:*}" "$r\${file#*:}"
done
cd "$r"; mkdir former; pivot_root . former; umount -l /former
# In a container systemd leaves that to who made it; credentials get to their services by it.
mount --make-rshared /
ip link set lo up
# No further: the other DNS servers installed here would take port 53.
exec env -i container=dnsmesh-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
  /lib/systemd/systemd --system --unit=basic.target`

/** Whether systemd can be the first process of something here; says why not, loudly. */
export const possible = (): boolean => {
  const trial = spawnSync(
    "unshare",
    [
      ...namespaces,
      "--fork",
      "sh",
      "-ec",
      "mount -t cgroup2 cgroup2 /mnt; test -x /lib/systemd/systemd"
    ],
    { encoding: "utf8" }
  )
  if (trial.status !== 0)
    console.error(
      `SKIPPED: systemd cannot be booted here (it takes root, namespaces, cgroup 2 and the package systemd): ${trial.stderr}`
    )
  return trial.status === 0
}

export interface Machine {
  /** Runs a line of shell in it, as root. */
  readonly sh: (script: string) => Effect.Effect<Ran>
  /** The same for a line that must succeed; what it printed. */
  readonly must: (script: string) => Effect.Effect<string>
}

/** Boots, with copies of `files` (`<here>:<there>`) in place. */
export const machine = (files: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const base = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "dnsmesh-systemd-"))),
      // The mounts were the namespace's.
      (path) => Effect.sync(() => rmdirSync(path))
    )
    const { child, log } = yield* daemon("unshare", [
      ...namespaces,
      "--fork",
      "--kill-child",
      "sh",
      "-euc",
      boot,
      "boot",
      base,
      ...files
    ])
    const first = () =>
      readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ")[0] ??
      ""
    const sh = (script: string) =>
      Effect.suspend(() =>
        run(
          "nsenter",
          [
            ...["--target", first(), "--all", "env", "-i", "HOME=/root"],
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ...["bash", "--norc", "-euc", script]
          ],
          "",
          240
        )
      )
    yield* eventually(
      Effect.map(sh("systemctl is-system-running || true"), ({ stdout }) =>
        /^(running|degraded)/.test(stdout)
      ),
      90
    ).pipe(Effect.tapErrorCause(() => Effect.sync(() => console.error(log()))))
    return {
      sh,
      must: (script) =>
        Effect.flatMap(sh(script), ({ status, stderr, stdout }) =>
          status === 0
            ? Effect.succeed(stdout)
            : Effect.die(new Error(`exit ${status} of: ${script}\n${stdout}${stderr}`))
        )
    } satisfies Machine
  })
