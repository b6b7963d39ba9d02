import Bitcoin
import Bytes
import Channel
import Crypto
import Market

/// The contract: offered to a machine that bid, and signed by it.
extension Hire {
  /// A contract with a machine that bid. It is stored before it is said.
  static func make(
    _ candidate: Candidate, worker: UInt16, channelIndex: UInt32, changeScript: [UInt8],
    run: Bytes32, context: RunContext
  ) throws -> Hire {
    let plan = context.plan
    let secret = try context.secrets.channelSecret(channelIndex)
    let bundle = plan.bundle(worker)
    let contract = Contract(
      offer: plan.offer, bid: candidate.bid, publisher: context.secrets.identity.publicKey,
      workerIndex: worker, bundleDigest: Sha256.hash(bundle), bundleBytes: UInt64(bundle.count),
      publisherKey: try Secp256k1.publicKey(of: secret), changeScript: changeScript,
      expiryHeight: context.tipHeight + plan.offer.channelBlocks,
      capacitySat: plan.capacitySat
        ?? RunPlan.capacitySat(plan.offer, hourlySat: candidate.hourlySat))
    let channel = try PublisherChannel(terms: contract.terms, secret: secret)
    let record = HireRecord(
      stage: .contracted, run: run,
      contract: SignedContract(
        contract: contract, publisherSignature: contract.sign(context.secrets.identity),
        providerSignature: [UInt8](repeating: 0, count: Ed25519.signatureLength)),
      report: candidate.report, reportIsSigned: true, channelIndex: channelIndex,
      startHeight: context.tipHeight)
    return Hire(record: record, channel: channel, context: context)
  }

  func propose(on call: Call) {
    connected(call)
    // The channel first: a record without its channel would be a riddle after a power cut.
    drainChannel()
    store()
    watchChannel()
    sayContract()
  }

  func sayContract() {
    say(
      .contract(
        body: contract.encode(), publisherSignature: record.contract.publisherSignature))
  }

  func accepted(_ signature: [UInt8]) {
    if stage != .contracted { return }
    do { try contract.verifyProvider(signature) } catch { return abandon(error.message) }
    record.contract.providerSignature = signature
    enter(.accepted)
    info(
      "contract " + contractId.hex + ": channel of \(contract.terms.capacitySat) sat until height "
        + "\(contract.terms.expiryHeight)")
  }

  func watchChannel() {
    context.emit(
      .watch(
        script: ChannelScript.scriptPubKey(contract.terms), fromHeight: record.startHeight))
  }
}
