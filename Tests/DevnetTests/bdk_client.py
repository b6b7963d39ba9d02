"""An independent light client for DevnetTests/IndependentClientTests.swift.

BDK's wallet with its BIP157 client (bdkpython, made by others) on regtest. Reads one command a
line from standard input and answers each with one JSON object on one line of standard output:

  address              a new receiving address
  sync HEIGHT HASH     wait until the wallet's chain ends with that block; the balance in sat
  send ADDRESS SAT     build, sign and broadcast a payment; its id

Usage: bdk_client.py PORT FOLDER
"""

import asyncio
import json
import sys

import bdkpython as bdk

# Bytes that anybody may know: the wallet lives as long as the test.
ENTROPY = bytes(range(32))


class Client:
    def __init__(self, port, folder):
        mnemonic = bdk.Mnemonic.from_entropy(ENTROPY)
        key = bdk.DescriptorSecretKey(bdk.NetworkKind.TEST, mnemonic, None)
        kinds = (bdk.KeychainKind.EXTERNAL, bdk.KeychainKind.INTERNAL)
        external, internal = (
            bdk.Descriptor.new_bip86(key, kind, bdk.NetworkKind.TEST) for kind in kinds
        )
        self.wallet = bdk.Wallet(
            external, internal, bdk.Network.REGTEST, bdk.Persister.new_in_memory()
        )
        peer = bdk.Peer(
            address=bdk.IpAddress.from_ipv4(127, 0, 0, 1), port=port, v2_transport=False
        )
        parts = (
            bdk.CbfBuilder()
            .scan_type(bdk.ScanType.SYNC())
            .data_dir(folder)
            .peers([peer])
            .connections(1)
            .only_configured_peers()
            .build(self.wallet)
        )
        self.client = parts.client
        parts.node.run()

    def address(self):
        info = self.wallet.reveal_next_address(bdk.KeychainKind.EXTERNAL)
        return {"address": str(info.address)}

    async def sync(self, height, hash):
        while True:
            tip = self.wallet.latest_checkpoint()
            if tip.height == height and str(tip.hash) == hash:
                break
            self.wallet.apply_update(await self.client.update())
        balance = self.wallet.balance()
        return {
            "height": tip.height,
            "confirmed": balance.confirmed.to_sat(),
            "total": balance.total.to_sat(),
            "transactions": len(self.wallet.transactions()),
        }

    async def send(self, address, amount):
        script = bdk.Address(address, bdk.Network.REGTEST).script_pubkey()
        psbt = (
            bdk.TxBuilder()
            .add_recipient(script, bdk.Amount.from_sat(amount))
            .fee_rate(bdk.FeeRate.from_sat_per_vb(2))
            .finish(self.wallet)
        )
        self.wallet.sign(psbt)
        transaction = psbt.extract_tx()
        await self.client.broadcast(transaction)
        return {"txid": str(transaction.compute_txid())}


async def main():
    client = Client(int(sys.argv[1]), sys.argv[2])
    while True:
        line = await asyncio.to_thread(sys.stdin.readline)
        words = line.split()
        if not words:
            break
        if words[0] == "address":
            answer = client.address()
        elif words[0] == "sync":
            answer = await client.sync(int(words[1]), words[2])
        else:
            answer = await client.send(words[1], int(words[2]))
        print(json.dumps(answer), flush=True)
    try:
        client.client.shutdown()
    except bdk.CbfError.NodeStopped:
        # Its only peer went away first.
        pass


asyncio.run(main())
