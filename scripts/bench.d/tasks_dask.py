"""dask.distributed as the measurement of tasks has it (see tasks_rivals.py): reads a count of tasks,
answers a line when all of them have ended.

Workers have a process for each processor, as dask itself proposes, and threads for twice as many tasks:
each of them waits for a program. In Python code nothing else runs.
"""

import json
import os
import subprocess
import sys

from distributed import Client, LocalCluster


def task(_number):
    return subprocess.run(["/bin/true"], check=True).returncode


def main():
    processors = os.cpu_count() or 1
    with LocalCluster(
            n_workers=processors, threads_per_worker=2, processes=True, dashboard_address=None,
            host="127.0.0.1") as cluster, Client(cluster) as client:
        client.gather(client.map(task, range(processors * 4), pure=False))
        print(json.dumps({"workers": processors}), flush=True)
        for line in sys.stdin:
            count = int(line)
            if any(client.gather(client.map(task, range(count), pure=False))):
                return 1
            print(json.dumps({"tasks": count}), flush=True)
    return 0


# Workers are processes that import this file.
if __name__ == "__main__":
    sys.exit(main())
