import Bytes
import Crypto
import Market
import Testing

@testable import Agent

private func id(_ number: Int) -> Bytes32 { Sha256.hash(Array("id \(number)".utf8)) }

@Suite struct MemoryTests {
  @Test func debtsAreBoundedAndSurvive() throws {
    var debtors = Debtors()
    for number in 0..<(Debtors.capacity + 5) {
      debtors.record(id(number), Debt(lease: id(-number), amountSat: UInt64(number) + 1))
    }
    #expect(debtors.count == Debtors.capacity)
    #expect(debtors.debt(of: id(4)) == nil)
    #expect(debtors.debt(of: id(5))?.amountSat == 6)
    debtors.record(id(5), Debt(lease: id(1), amountSat: 77))
    #expect(debtors.count == Debtors.capacity)
    #expect(Debtors.decode(debtors.encode()) == debtors)
    let wasOwed = debtors.settled(id(5))
    #expect(wasOwed && debtors.debt(of: id(5)) == nil)
    let isOwed = debtors.settled(id(5))
    #expect(!isOwed)
    #expect(Debtors.decode([]) == nil)
    #expect(Debtors.decode(debtors.encode() + [0]) == nil)
  }

  @Test func whoHasNotSettledForTheLongestTimeIsForgotten() {
    var history = History()
    for number in 0..<History.capacity { history.settled(id(number)) }
    history.settled(id(0))
    history.settled(id(-1))
    #expect(history.contains(id(0)) && history.contains(id(-1)))
    #expect(!history.contains(id(1)))
    #expect(History.decode(history.encode()) == history)
    #expect(History.decode([9]) == nil)
  }

  @Test func lossesCountForADay() {
    var losses = Losses()
    losses.add(10, unixSeconds: 1000)
    losses.add(20, unixSeconds: 50_000)
    #expect(losses.totalSat(unixSeconds: 87_399) == 30)
    #expect(losses.totalSat(unixSeconds: 87_400) == 20)
    #expect(losses.totalSat(unixSeconds: 5) == 30, "a clock that was set back forgives nothing")
    for number in 0..<UInt64(2 * Losses.capacity) { losses.add(1, unixSeconds: 60_000 + number) }
    #expect(losses.totalSat(unixSeconds: 61_000) == 20 + 10 + UInt64(2 * Losses.capacity))
    #expect(Losses.decode(losses.encode()) == losses)
  }

  @Test func theNumberIsSharedByAllUnconfirmedLeases() {
    var risk = UnconfirmedRisk(limitSat: 100)
    let (first, second) = (LeaseKey(1), LeaseKey(2))
    risk.set(30, of: first)
    #expect(risk.allowedSat(first, unixSeconds: 9) == 100)
    #expect(risk.allowedSat(second, unixSeconds: 9) == 70)
    risk.lost(first, 30, unixSeconds: 9)
    #expect(risk.allowedSat(second, unixSeconds: 9) == 70)
    #expect(risk.allowedSat(second, unixSeconds: 9 + 86_400) == 100)
    risk.set(500, of: second)
    #expect(risk.allowedSat(first, unixSeconds: 9) == 0)
    risk.set(0, of: second)
    #expect(risk.allowedSat(first, unixSeconds: 9) == 70)
  }
}

@Suite struct PlacesTests {
  private let limits = ShareLimits(memoryMiB: 100, milliCpus: 4000, pids: 100, diskMiB: 100)

  private func share(_ memoryMiB: UInt32) -> ShareLimits {
    ShareLimits(memoryMiB: memoryMiB, milliCpus: 100, pids: 10, diskMiB: 10)
  }

  @Test func theSumOfSharesStaysWithinTheLimits() {
    var places = Places(limits: limits, maxLeases: 3)
    let host = Array("a".utf8)
    places.take(LeaseKey(1), share(60), publisher: id(1), host: host, isFunded: true)
    #expect(places.refusal(share(40)) == nil)
    #expect(places.refusal(share(41))?.code == .busy)
    #expect(places.refusal(share(41), leaving: [LeaseKey(1)]) == nil)
    places.take(LeaseKey(2), share(10), publisher: id(2), host: host, isFunded: true)
    places.take(LeaseKey(3), share(10), publisher: id(3), host: host, isFunded: true)
    #expect(places.isFull && places.refusal(share(1))?.code == .busy)
    places.release(LeaseKey(2))
    #expect(places.refusal(share(30)) == nil)
  }

  @Test func aQuarterOfThePlacesWaitsForFundings() {
    var places = Places(limits: limits, maxLeases: 8)
    let hosts = [Array("a".utf8), Array("b".utf8), Array("c".utf8)]
    places.take(LeaseKey(1), share(1), publisher: id(1), host: hosts[0], isFunded: false)
    #expect(places.unfundedRefusal(publisher: id(1), host: hosts[1]) != nil)
    #expect(places.unfundedRefusal(publisher: id(2), host: hosts[0]) != nil)
    #expect(places.unfundedRefusal(publisher: id(2), host: hosts[1]) == nil)
    places.take(LeaseKey(2), share(1), publisher: id(2), host: hosts[1], isFunded: false)
    #expect(places.unfundedRefusal(publisher: id(3), host: hosts[2]) != nil)
    places.funded(LeaseKey(1))
    #expect(places.unfundedRefusal(publisher: id(3), host: hosts[2]) == nil)
  }
}

@Suite struct StandingRuleTests {
  private func rule(_ change: (inout StandingRule) -> Void) -> Standing {
    let rates = RateVector(reservedPsatPerMs: 5_000_000_000)
    let share = ShareLimits(memoryMiB: 1, milliCpus: 1000, pids: 4, diskMiB: 1)
    // 200 ms at 5 sat a second: 1 sat of headroom.
    var rule = StandingRule(
      rule: FreezeRule(rates, share, sampleMs: 200), maxLossSat: 10, pause: nil, owedSat: 0,
      paidSat: 0, countingSat: 0, isUnconfirmed: false, exposedSat: 0, allowedSat: 0,
      lacksTopUp: false)
    change(&rule)
    return rule.decision.standing
  }

  @Test func whatIsOwedBeyondTheLossFreezes() {
    #expect(rule { $0.owedSat = 9 } == .running)
    #expect(rule { $0.owedSat = 10 } == .frozen)
    #expect(
      rule {
        $0.owedSat = 1000
        $0.countingSat = 991
      } == .running)
    #expect(
      rule {
        $0.owedSat = 1000
        $0.paidSat = 1000
      } == .frozen, "what unconfirmed channels hold does not count")
  }

  @Test func beforeTheBlockTheNumberRules() {
    #expect(
      rule {
        $0.isUnconfirmed = true
        $0.exposedSat = 9
        $0.owedSat = 9
        $0.paidSat = 9
        $0.allowedSat = 9
      } == .unconfirmed)
    #expect(
      rule {
        $0.isUnconfirmed = true
        $0.exposedSat = 9
        $0.owedSat = 9
        $0.allowedSat = 10
      } == .running)
    #expect(
      rule {
        $0.isUnconfirmed = true
        $0.exposedSat = 20
        $0.owedSat = 20
        $0.allowedSat = 100
      } == .frozen)
  }

  @Test func theOwnerComesFirst() {
    #expect(
      rule {
        $0.pause = "on battery"
        $0.owedSat = 100
      } == .paused)
    #expect(rule { $0.lacksTopUp = true } == .awaitingTopUp)
  }
}
