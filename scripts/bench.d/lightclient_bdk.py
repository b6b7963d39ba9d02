"""BDK's light client (bdkpython) as a subject of scripts/bench.d/lightclient.

Usage: lightclient_bdk.py scripts                     what its wallet looks for, one a line
       lightclient_bdk.py sync PORT HEIGHT FOLDER    follow the chain of 127.0.0.1:PORT, and print
                                                     a line of JSON

Milliseconds count from the start of the node, like those of `zennet-bench follow`.
"""

import asyncio
import json
import resource
import sys
import time

import bdkpython as bdk

LOOKAHEAD = 25
# Bytes that anybody may know: the wallet lives as long as the measurement.
ENTROPY = bytes(range(32))


def make_wallet():
    mnemonic = bdk.Mnemonic.from_entropy(ENTROPY)
    key = bdk.DescriptorSecretKey(bdk.NetworkKind.TEST, mnemonic, None)
    external, internal = (
        bdk.Descriptor.new_bip86(key, kind, bdk.NetworkKind.TEST)
        for kind in (bdk.KeychainKind.EXTERNAL, bdk.KeychainKind.INTERNAL))
    return bdk.Wallet(
        external, internal, bdk.Network.REGTEST, bdk.Persister.new_in_memory(), LOOKAHEAD)


def scripts():
    wallet = make_wallet()
    for kind in (bdk.KeychainKind.EXTERNAL, bdk.KeychainKind.INTERNAL):
        for index in range(LOOKAHEAD):
            script = wallet.peek_address(kind, index).address.script_pubkey()
            print(bytes(script.to_bytes()).hex())


async def sync(port, height, folder):
    wallet = make_wallet()
    peer = bdk.Peer(address=bdk.IpAddress.from_ipv4(127, 0, 0, 1), port=port, v2_transport=False)
    parts = (
        bdk.CbfBuilder().scan_type(bdk.ScanType.SYNC()).data_dir(folder).peers([peer])
        .connections(1).only_configured_peers().configure_timeout_millis(10_000, 600_000)
        .build(wallet))
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    parts.node.run()
    heads, blocks, warnings = [], [], []

    async def listen():
        while True:
            try:
                info = await parts.client.next_info()
            except bdk.CbfError.NodeStopped:
                return
            now = int((time.monotonic() - start) * 1000)
            if info.is_PROGRESS() and not heads and info.chain_height >= height:
                heads.append(now)
            if info.is_BLOCK_RECEIVED():
                blocks.append(now)

    async def warn():
        while True:
            try:
                warnings.append(str(await parts.client.next_warning()))
            except bdk.CbfError.NodeStopped:
                return

    listeners = [asyncio.create_task(listen()), asyncio.create_task(warn())]
    while wallet.latest_checkpoint().height < height:
        wallet.apply_update(await parts.client.update())
    scanned = int((time.monotonic() - start) * 1000)
    parts.client.shutdown()
    for listener in listeners:
        listener.cancel()
    print(json.dumps({
        "headersMs": heads[0] if heads else None, "scannedMs": scanned, "blocks": len(blocks),
        "balanceSat": wallet.balance().total.to_sat(),
        "peakKiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "beforeKiB": before_kib,
        "warnings": warnings[:5]}), flush=True)


if sys.argv[1] == "scripts":
    scripts()
else:
    asyncio.run(sync(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
