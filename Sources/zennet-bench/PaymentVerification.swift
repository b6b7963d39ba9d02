import Bitcoin
import Bytes
import CSecp256k1
import Channel
import Crypto

/// Payments as the provider's channel receives them (three rungs, so three signatures each), beside
/// the least that any implementation must do for them: three verifications by libsecp256k1, of
/// digests, signatures and a key that are parsed already.
struct PaymentVerification {
  static let rungs = 3

  private let closes: ChannelCloses
  private let payments: [ChannelPayment]
  /// A channel that waits for its first payment.
  private let channel: ProviderChannel
  private let bare: BareVerification

  init(payments count: Int) throws {
    let provider = Sha256.hash(Array("provider".utf8))
    let publisher = Sha256.hash(Array("publisher".utf8))
    let terms = ChannelTerms(
      providerKey: try Secp256k1.publicKey(of: provider),
      publisherKey: try Secp256k1.publicKey(of: publisher), expiryHeight: 1000,
      closeMarginBlocks: 24, capacitySat: 10_000_000, reserveSat: 5000,
      feeLadderSatPerKvB: [1000, 5000, 25_000],
      payoutScript: Script.p2tr(outputKey: Sha256.hash([1])),
      returnKey: try Secp256k1.publicKey(of: Sha256.hash(Array("return".utf8))))
    let transaction = PaymentVerification.funding(terms)
    let closes = try ChannelCloses(terms, funding: OutPoint(txid: transaction.txid, index: 0))
    var payments: [ChannelPayment] = []
    for sequence in 1...UInt64(count) {
      payments.append(
        try ChannelPayment.sign(
          closes, sequence: sequence, amountSat: 100_000 + 1000 * sequence, secret: publisher))
    }
    var channel = try ProviderChannel(
      terms: terms, secret: provider, policy: ProviderPolicy(), tipHeight: 100)
    try channel.fundingOffered(transaction)
    PaymentVerification.settle(&channel)
    self.closes = closes
    self.payments = payments
    self.channel = channel
    bare = try BareVerification(closes, payments)
  }

  /// As a wallet with one coin makes it: the channel's output, the note for the wallet, and change.
  private static func funding(_ terms: ChannelTerms) -> Transaction {
    let output = TransactionOutput(
      amountSat: terms.capacitySat, scriptPubKey: ChannelScript.scriptPubKey(terms))
    let input = TransactionInput(
      previous: OutPoint(txid: Sha256.hash([9]), index: 0),
      witness: [[UInt8](repeating: 7, count: 64)])
    return Transaction(
      inputs: [input],
      outputs: [
        output,
        TransactionOutput(
          amountSat: 0, scriptPubKey: Script.opReturn([UInt8](repeating: 5, count: 40))),
        TransactionOutput(amountSat: 5000, scriptPubKey: terms.payoutScript),
      ])
  }

  func measure(_ rounds: Int) throws {
    let contest = Contest(
      stopwatch: .processor, amount: Double(payments.count), unit: "payments/CPU s")
    let rates = try contest.rates(
      rounds,
      [
        Contestant(name: "ProviderChannel.received", work: receive),
        Contestant(name: "ChannelPayment.verify", work: verify),
        Contestant(name: "3 x secp256k1_ecdsa_verify", work: bare.run),
      ])
    for (metric, rate) in [
      ("payments received (ProviderChannel.received)", rates[0]),
      ("payments verified (ChannelPayment.verify)", rates[1]),
    ] {
      try Row(metric: metric, subject: "zennet", value: rate, unit: contest.unit).write()
      try Row(metric: metric, subject: "libsecp256k1", value: rates[2], unit: contest.unit).write()
    }
    for (subject, rate) in [("zennet", rates[0]), ("libsecp256k1", rates[2])] {
      try Row(
        metric: "signatures of payments received", subject: subject,
        value: rate * Double(PaymentVerification.rungs), unit: "signatures/CPU s"
      ).write()
    }
  }

  /// What the provider stores after such a payment.
  func stateBytes() throws -> Int {
    var channel = channel
    try channel.received(payments[0])
    return channel.encodedState().count
  }

  /// All that the state machine does of a payment, the state that it wants stored included.
  private func receive() throws {
    var channel = channel
    for payment in payments {
      try channel.received(payment)
      PaymentVerification.settle(&channel)
    }
    precondition(channel.paymentCount == UInt64(payments.count))
  }

  private func verify() throws {
    for payment in payments { try payment.verify(closes) }
  }

  private static func settle(_ channel: inout ProviderChannel) {
    while channel.nextEffect() != nil {}
  }
}

/// libsecp256k1 and nothing else.
private final class BareVerification {
  private let context = secp256k1_context_create(UInt32(SECP256K1_CONTEXT_NONE))!
  private var key = secp256k1_pubkey()
  private var signatures: [secp256k1_ecdsa_signature] = []
  /// 32 bytes a signature.
  private var digests: [UInt8] = []

  init(_ closes: ChannelCloses, _ payments: [ChannelPayment]) throws {
    let terms = closes.terms
    let bytes = terms.publisherKey
    precondition(secp256k1_ec_pubkey_parse(context, &key, bytes, bytes.count) == 1)
    for payment in payments {
      for (rung, der) in payment.signatures.enumerated() {
        var signature = secp256k1_ecdsa_signature()
        precondition(
          secp256k1_ecdsa_signature_parse_der(context, &signature, der, der.count) == 1,
          "every rung has to carry a signature")
        signatures.append(signature)
        guard
          let close = closes.unsigned(amountSat: payment.amountSat, rung: rung)
        else { throw ChannelError.wrongSignature(rung: rung) }
        digests += ClosingTransaction.digest(terms, close).array
      }
    }
    precondition(signatures.count == payments.count * PaymentVerification.rungs)
  }

  deinit { secp256k1_context_destroy(context) }

  func run() {
    var valid: Int32 = 0
    digests.withUnsafeBufferPointer { digests in
      for index in signatures.indices {
        valid += secp256k1_ecdsa_verify(
          context, &signatures[index], digests.baseAddress! + 32 * index, &key)
      }
    }
    precondition(Int(valid) == signatures.count)
  }
}
