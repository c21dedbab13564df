"""A real Slurm on this machine: two nodes, a partition for CPUs and one for two pretend GPUs.

It lives in a mount namespace of its own, where its configuration covers the machine's /etc/slurm: outside of it
nothing changes. Its daemons are children of the process that starts it, and end with it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "scontrol", "unshare", "nsenter")
ETC = Path("/etc/slurm")
NODES = ("cpu01", "gpu01")
SECONDS_TO_START = 30
# A requeued job waits for so many seconds, by default for 120.
CRED_EXPIRE = 15

# Nodes claim to be larger than this machine; nobody keeps accounts; finished jobs are remembered for an hour.
SLURM_CONF = """\
ClusterName=tiny
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={cred_expire}
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
DefMemPerCPU=500
GresTypes=gpu
ReturnToService=2
MinJobAge=3600
Prolog={folder}/etc/log-start
Epilog={folder}/etc/log-end
TaskProlog={folder}/etc/log-task
KillWait=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=cpu01 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=32 RealMemory=256000
NodeName=gpu01 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=32 RealMemory=256000 Gres=gpu:2
PartitionName=cpu Nodes=cpu01 Default=YES MaxTime=1-00:00:00 State=UP
PartitionName=gpu Nodes=gpu01 MaxTime=1-00:00:00 State=UP
"""
GRES_CONF = "AutoDetect=off\nNodeName=gpu01 Name=gpu File={folder}/nvidia[0-1]\n"
CGROUP_CONF = "CgroupPlugin=cgroup/v1\n"
# In this order, what jobs were given (start) and gave back (end), and what each step of them sees (task).
LOG = """\
#!/bin/sh
echo {event} $SLURM_JOB_ID {gpus} >> {folder}/usage.log
"""


def what_is_missing() -> str | None:
    """Say why no cluster can be started here."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"no {', '.join(missing)} here: install slurm-wlm, munge and util-linux"
    if os.geteuid() != 0:
        return "a mount namespace and device files need root"
    return None


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes
    ----------
    namespace
        Process whose mount namespace it is in.
    folder
        Its configuration, logs and state; ``usage.log`` says who had which GPU.
    """

    namespace: int
    folder: Path

    def command(self, words: Sequence[str], folder: Path = Path("/")) -> list[str]:
        """Words of a command that sees the cluster, in some folder."""
        return ["nsenter", f"--mount=/proc/{self.namespace}/ns/mnt", f"--wd={folder}", *words]

    def ask(self, *words: str) -> str:
        """Run one of Slurm's commands and give what it says."""
        return subprocess.run(self.command(words), capture_output=True, text=True, check=True).stdout


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster whose files are in a folder; stop it, and all of its jobs, on leaving."""
    _write_configuration(folder)
    with ExitStack() as running:
        cover = f"mount --bind {folder}/etc {ETC} && echo && exec sleep infinity"
        holder = running.enter_context(_process(["unshare", "--mount", "sh", "-c", cover]))
        assert holder.stdout is not None
        holder.stdout.readline()
        cluster = Cluster(holder.pid, folder)
        munged = ["munged", "--foreground", "--force", f"--key-file={folder}/munge.key"]
        files = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        munged += [f"--{option}={folder}/munge.{ending}" for option, ending in files.items()]
        daemons = [munged, ["slurmctld", "-D", "-i"], *(["slurmd", "-D", "-N", node] for node in NODES)]
        for daemon in daemons:
            running.enter_context(_process(cluster.command(daemon)))
        _wait_for(cluster)
        running.callback(_end_jobs, cluster)
        yield cluster


def _write_configuration(folder: Path) -> None:
    for name in ("etc", "state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir(parents=True)
    host = socket.gethostname().partition(".")[0]
    names = {"folder": folder, "host": host, "ports": _free_ports(3), "cred_expire": CRED_EXPIRE}
    for name, content in {"slurm": SLURM_CONF, "gres": GRES_CONF, "cgroup": CGROUP_CONF}.items():
        (folder / f"etc/{name}.conf").write_text(content.format(**names))
    seen = {"start": "$SLURM_JOB_GPUS", "end": "$SLURM_JOB_GPUS", "task": "$CUDA_VISIBLE_DEVICES"}
    for event, gpus in seen.items():
        script = folder / f"etc/log-{event}"
        script.write_text(LOG.format(event=event, gpus=gpus, folder=folder))
        script.chmod(0o755)
    (folder / "munge.key").write_bytes(secrets.token_bytes(128))
    (folder / "munge.key").chmod(0o400)
    for number in range(2):
        # Slurm wants a character device for each GPU: these are /dev/null by another name
        os.mknod(folder / f"nvidia{number}", 0o020666, os.makedev(1, 3))


def _free_ports(count: int) -> list[int]:
    with ExitStack() as sockets:
        found = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


@contextmanager
def _process(words: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(cluster: Cluster) -> None:
    """Wait until all nodes are idle."""
    for _ in range(SECONDS_TO_START * 5):
        try:
            states = cluster.ask("sinfo", "--noheader", "--Node", "--format=%T").split()
        except subprocess.CalledProcessError:
            states = []
        if set(states) == {"idle"}:
            return
        time.sleep(0.2)
    raise TimeoutError(f"Slurm did not start within {SECONDS_TO_START} s: {states}")


def _end_jobs(cluster: Cluster) -> None:
    cluster.ask("scancel", "--user=root")
    while cluster.ask("squeue", "--noheader").strip():
        time.sleep(0.5)
