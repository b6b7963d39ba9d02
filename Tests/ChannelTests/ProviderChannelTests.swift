import Bitcoin
import Bytes
import Channel
import Crypto
import Testing

struct ProviderChannelTests {
  @Test func contractsAgainstTheOwnersRulesAreRefused() throws {
    let fixture = try Fixture(expiryHeight: 147)
    #expect(throws: ChannelError.expiryTooNear(least: 48, actual: 47)) { try fixture.provider() }
    let past = try Fixture(expiryHeight: 99)
    #expect(throws: ChannelError.expiryTooNear(least: 48, actual: 0)) { try past.provider() }
    let short = ProviderPolicy(closeMarginBlocks: 6, leastLifetimeBlocks: 0)
    let late = try Fixture(expiryHeight: 124)
    #expect(throws: ChannelError.expiryTooNear(least: 25, actual: 24)) {
      try late.provider(policy: short)
    }
    _ = try Fixture(expiryHeight: 125).provider(policy: short)
    let careful = ProviderPolicy(closeMarginBlocks: 25, leastLifetimeBlocks: 0)
    #expect(throws: ChannelError.closeMarginTooShort(least: 25, actual: 24)) {
      try fixture.provider(policy: careful)
    }
  }

  @Test func anotherKeyIsRefused() throws {
    let fixture = try Fixture()
    for secret in [Fixture.publisherSecret, Bytes32.zero] {
      #expect(throws: ChannelError.wrongSecret) {
        try ProviderChannel(
          terms: fixture.terms, secret: secret, policy: ProviderPolicy(), tipHeight: 100)
      }
    }
  }

  // MARK: Funding

  @Test func fundingThatCannotFundIsRefused() throws {
    let fixture = try Fixture()
    let script = ChannelScript.scriptPubKey(fixture.terms)
    func refused(_ transaction: Transaction, _ expected: StaticReason) throws {
      var provider = try fixture.provider()
      _ = provider.effects()
      #expect(throws: ChannelError.funding(expected)) {
        try provider.fundingOffered(transaction)
      }
      #expect(provider.funding == nil && provider.nextEffect() == nil)
    }
    let missing: StaticReason = "no output has the channel's amount and script"
    for amountSat in [UInt64(99_999), 100_001] {
      try refused(
        Fixture.fund(TransactionOutput(amountSat: amountSat, scriptPubKey: script)), missing)
    }
    var terms = fixture.terms
    terms.expiryHeight -= 1
    try refused(
      Fixture.fund(
        TransactionOutput(amountSat: 100_000, scriptPubKey: ChannelScript.scriptPubKey(terms))),
      missing)
    func changed(_ change: (inout Transaction) -> Void) -> Transaction {
      var copy = fixture.fundingTransaction
      change(&copy)
      return copy
    }
    let legacy: StaticReason = "every input has to be a native segwit input"
    try refused(changed { $0.inputs[0].scriptSig = [0x51] }, legacy)
    try refused(changed { $0.inputs[0].witness = [] }, legacy)
    try refused(
      changed {
        $0.inputs.append($0.inputs[0])
        $0.inputs[1].witness = []
      }, legacy)
    try refused(changed { $0.inputs = [] }, "the transaction has no input")
    try refused(
      changed { $0.inputs[0].previous = .coinbase }, "a coinbase cannot fund a channel")
    try refused(
      changed { $0.inputs[0].witness = [[UInt8](repeating: 1, count: 10_000)] },
      "the transaction has more than 10,000 bytes")
  }

  @Test func fundingIsNamedOnceAndKept() throws {
    let fixture = try Fixture()
    var provider = try fixture.provider()
    let payment = try fixture.payment(5000)
    #expect(throws: ChannelError.self) { try provider.received(payment) }
    #expect(throws: ChannelError.self) { try provider.signClose(feeRateSatPerKvB: 1000) }
    #expect(throws: ChannelError.self) {
      try provider.fundingConfirmed(fixture.fundingTransaction, height: 101)
    }
    _ = provider.effects()
    try provider.fundingOffered(fixture.fundingTransaction)
    #expect(provider.effects() == [.store(state: provider.encodedState())])
    #expect(provider.funding == fixture.funding)
    try provider.fundingOffered(fixture.fundingTransaction)
    #expect(provider.nextEffect() == nil)
    var other = fixture.fundingTransaction
    other.lockTime = 1
    #expect(throws: ChannelError.self) { try provider.fundingOffered(other) }
    #expect(throws: ChannelError.self) { try provider.fundingConfirmed(other, height: 101) }
    // It takes payments before a block holds its funding; what counts is the caller's.
    try provider.received(payment)
    #expect(provider.paidSat == 5000 && !provider.isConfirmed && provider.isOpen)
    let restored = try ProviderChannel(
      restoring: provider.encodedState(), secret: Fixture.providerSecret, policy: ProviderPolicy())
    #expect(restored.fundingTransaction == fixture.fundingTransaction)
  }

  @Test func fundingCountsOnlyBelowTheAuthenticatedHeight() throws {
    let fixture = try Fixture()
    var provider = try fixture.provider(policy: ProviderPolicy(fundingDepth: 3))
    try provider.fundingOffered(fixture.fundingTransaction)
    try provider.fundingConfirmed(fixture.fundingTransaction, height: 101)
    provider.tipChanged(height: 105, authenticatedHeight: 102)
    #expect(!provider.isConfirmed)
    provider.tipChanged(height: 105, authenticatedHeight: 103)
    #expect(provider.isConfirmed)
    #expect(provider.effects().last == .funded(height: 101))
    provider.blocksDisconnected(fromHeight: 101)
    #expect(!provider.isConfirmed && provider.isOpen)
    #expect(
      provider.effects() == [.store(state: provider.encodedState()), .fundingLost])
    try provider.fundingConfirmed(fixture.fundingTransaction, height: 102)
    provider.tipChanged(height: 104, authenticatedHeight: 104)
    #expect(provider.effects().last == .funded(height: 102))
    // The signers' chain falls behind, without a reorganisation that this channel saw.
    provider.tipChanged(height: 104, authenticatedHeight: 103)
    #expect(provider.effects() == [.fundingLost])
  }

  @Test func doubleSpentFundingEndsTheChannelUntilItsBlockGoes() throws {
    let fixture = try Fixture()
    var provider = try fixture.provider()
    try provider.fundingOffered(fixture.fundingTransaction)
    try provider.received(try fixture.payment(5000))
    _ = provider.effects()
    let other = Sha256.hash([77])
    provider.fundingConflicted(by: other, height: 101)
    #expect(
      provider.effects() == [
        .store(state: provider.encodedState()), .fundingConflicted(by: other),
      ])
    #expect(provider.conflict == other && !provider.isOpen && !provider.isConfirmed)
    provider.fundingConflicted(by: other, height: 101)
    #expect(provider.nextEffect() == nil)
    #expect(throws: ChannelError.self) {
      try provider.received(try fixture.payment(6000, sequence: 2))
    }
    #expect(throws: ChannelError.self) { try provider.close(feeRateSatPerKvB: 1000) }
    #expect(throws: ChannelError.self) { try provider.signClose(feeRateSatPerKvB: 1000) }
    provider.tipChanged(height: 990, authenticatedHeight: 990)
    #expect(provider.nextEffect() == nil)
    var restored = try ProviderChannel(
      restoring: provider.encodedState(), secret: Fixture.providerSecret, policy: ProviderPolicy())
    #expect(restored.conflict == other && restored.paidSat == 5000)
    restored.blocksDisconnected(fromHeight: 101)
    #expect(restored.conflict == nil && restored.isOpen)
    try restored.fundingConfirmed(fixture.fundingTransaction, height: 101)
    restored.tipChanged(height: 101, authenticatedHeight: 101)
    #expect(restored.effects().last == .funded(height: 101))
    // What the chain holds cannot be in conflict with it.
    restored.fundingConflicted(by: other, height: 102)
    #expect(restored.nextEffect() == nil && restored.isConfirmed)
  }

  // MARK: Payments

  @Test func paymentIsStoredBeforeItIsAcknowledged() throws {
    let fixture = try Fixture()
    var provider = try fixture.fundedProvider()
    try provider.received(try fixture.payment(5000))
    // The same payment again, before the disk answered: its acknowledgement waits its turn.
    try provider.received(try fixture.payment(5000))
    guard case .store(let state)? = provider.nextEffect() else {
      Issue.record("the first effect is not a store")
      return
    }
    let acknowledge = ProviderEffect.acknowledge(sequence: 1, amountSat: 5000)
    #expect(provider.effects() == [acknowledge, acknowledge])
    let restored = try ProviderChannel(
      restoring: state, secret: Fixture.providerSecret, policy: ProviderPolicy())
    #expect(restored.paidSat == 5000 && restored.paymentCount == 1)
  }

  @Test func badPaymentsAreRefusedAndChangeNothing() throws {
    let fixture = try Fixture()
    var provider = try fixture.fundedProvider()
    let first = try fixture.payment(20_000, sequence: 3)
    try provider.received(first)
    _ = provider.effects()
    let before = provider.encodedState()
    func refused(_ payment: ChannelPayment, _ expected: ChannelError) {
      #expect(throws: expected) { try provider.received(payment) }
      #expect(provider.encodedState() == before)
      #expect(provider.nextEffect() == nil)
    }
    refused(
      try fixture.payment(19_999, sequence: 4),
      .amountShrinks(paidSat: 20_000, offeredSat: 19_999))
    refused(try fixture.payment(30_000, sequence: 3), .staleSequence(last: 3, offered: 3))
    refused(try fixture.payment(30_000, sequence: 2), .staleSequence(last: 3, offered: 2))
    var above = try fixture.payment(95_000, sequence: 4)
    above.amountSat = 95_001
    refused(above, .aboveCapacity(maxPayableSat: 95_000, offeredSat: 95_001))
    var raised = try fixture.payment(30_000, sequence: 4)
    raised.amountSat = 30_001
    refused(raised, .wrongSignature(rung: 0))
    for rung in 0..<3 {
      var forged = try fixture.payment(30_000, sequence: 4)
      let stranger = try ChannelPayment.sign(
        fixture.terms, funding: fixture.funding, sequence: 4, amountSat: 30_000,
        secret: Fixture.strangerSecret)
      forged.signatures[rung] = stranger.signatures[rung]
      refused(forged, .wrongSignature(rung: rung))
      forged.signatures[rung] = forged.signatures[(rung + 1) % 3]
      refused(forged, .wrongSignature(rung: rung))
      forged.signatures[rung] = []
      refused(forged, .wrongSignature(rung: rung))
    }
    var short = try fixture.payment(30_000, sequence: 4)
    short.signatures.removeLast()
    refused(short, .wrongSignature(rung: 2))
    short.signatures = []
    refused(short, .wrongSignature(rung: 0))
    // A replay of the payment that is held is answered, and nothing else.
    try provider.received(first)
    #expect(provider.effects() == [.acknowledge(sequence: 3, amountSat: 20_000)])
    #expect(provider.encodedState() == before)
  }

  /// What no close could pay out is no payment.
  @Test func paymentBelowTheDustLimitIsRefused() throws {
    let fixture = try Fixture()
    var provider = try fixture.fundedProvider()
    var payment = try fixture.payment(330)
    payment.amountSat = 329
    #expect(throws: ChannelError.belowLeastPayable(leastSat: 330, offeredSat: 329)) {
      try provider.received(payment)
    }
    #expect(throws: ChannelError.belowLeastPayable(leastSat: 330, offeredSat: 0)) {
      try fixture.payment(0)
    }
    try provider.received(try fixture.payment(330))
    #expect(provider.paidSat == 330)
  }

  @Test func highSIsRefused() throws {
    let fixture = try Fixture()
    var provider = try fixture.fundedProvider()
    var payment = try fixture.payment(30_000)
    payment.signatures[0] = HighS.negated(payment.signatures[0])
    #expect(throws: ChannelError.wrongSignature(rung: 0)) { try provider.received(payment) }
  }

  // MARK: The disk

  @Test func damagedStateIsNeverBelieved() throws {
    let fixture = try Fixture()
    var provider = try fixture.fundedProvider()
    try provider.received(try fixture.payment(50_000))
    let state = provider.encodedState()
    func restore(_ bytes: [UInt8]) throws -> ProviderChannel {
      try ProviderChannel(
        restoring: bytes, secret: Fixture.providerSecret, policy: ProviderPolicy())
    }
    #expect(try restore(state).encodedState() == state)
    for index in state.indices {
      var damaged = state
      damaged[index] ^= 0x10
      #expect(throws: ChannelError.damagedState) { try restore(damaged) }
      #expect(throws: ChannelError.damagedState) { try restore(Array(state[..<index])) }
    }
    #expect(throws: ChannelError.wrongSecret) {
      try ProviderChannel(
        restoring: state, secret: Fixture.strangerSecret, policy: ProviderPolicy())
    }
    // Whole, and of a version that is not read here.
    for version in [UInt8(1), 3] {
      let body = [version] + state[1..<(state.count - 32)]
      let other = body + Sha256.tagged("zennet/channel/provider", body).array
      #expect(throws: ChannelError.unknownVersion(version)) { try restore(other) }
    }
  }
}
