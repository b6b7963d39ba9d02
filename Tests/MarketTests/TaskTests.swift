import Bitcoin
import Bytes
import Crypto
import Foundation
import Market
import Testing

/// Orders, lines, statements.
struct TaskTests {
  @Test func orderIsCanonical() throws {
    try expectCanonical(Fixture.order, { $0.encode() }, { try TaskOrder.decode($0) })
  }

  @Test func orderBoundsAreChecked() throws {
    func refused(_ field: StaticReason, _ change: (inout TaskOrder) -> Void) {
      var order = Fixture.order
      change(&order)
      switch refusal({ _ = try TaskOrder.decode(order.encode()) }) {
      case .refused(let named, _, _), .malformed(let named, _):
        #expect(named == field, "\(named.text)")
      default: Issue.record("not refused: \(field.text)")
      }
    }
    refused("task") { $0.number = 0 }
    refused("bundles") { $0.bundles = [] }
    refused("bundles") { $0.bundles = Array(repeating: $0.bundles[0], count: 17) }
    refused("bundle size") { $0.bundles[0].sizeBytes = 0 }
    refused("arguments") { $0.arguments = [] }
    refused("arguments") { $0.arguments = [[]] }
    refused("arguments") { $0.arguments = [[0x61, 0]] }
    refused("arguments") { $0.arguments = [[UInt8](repeating: 0x61, count: 4097)] }
    refused("arguments") { $0.arguments = [[UInt8]](repeating: [0x61], count: 65) }
    refused("environment") { $0.environment = [Array("NOVALUE".utf8)] }
    refused("environment") { $0.environment = [Array("=value".utf8)] }
    refused("workdir") { $0.workdir = Array("work".utf8) }
    refused("workdir") { $0.workdir = [] }
    refused("memory") { $0.limits.memoryMiB = 0 }
    refused("wall time") { $0.limits.wallMs = 2_592_000_001 }
    refused("stop time") { $0.stopMs = 60_001 }
    refused("result path") { $0.resultPath = Array("part".utf8) }
    refused("result size") { $0.maxResultBytes = .max }
  }

  @Test func limitsFitTheShare() {
    let fits = Fixture.order.limits
    #expect(fits.excess(of: Fixture.share) == nil)
    for change: (inout TaskLimits) -> Void in [
      { $0.memoryMiB = 65 }, { $0.milliCpus = 1001 }, { $0.pids = 33 }, { $0.diskMiB = 17 },
    ] {
      var limits = fits
      change(&limits)
      #expect(limits.excess(of: Fixture.share) != nil)
    }
  }

  @Test func lineIsCanonicalAndChained() throws {
    let line = try Fixture().line
    try expectCanonical(line, { $0.encode() }, { try TaskLine.decode($0) })
    var other = line
    other.status = 0
    #expect(line.chain(after: .zero) != other.chain(after: .zero))
    #expect(line.chain(after: .zero) != line.chain(after: line.chain(after: .zero)))
    #expect(
      line.chain(after: .zero)
        == Sha256.tagged("zennet/line", [UInt8](repeating: 0, count: 32) + line.encode()))
  }

  @Test func statementIsCanonicalAndFollowsFromItsUsage() throws {
    let fixture = try Fixture()
    let statement = fixture.statement
    try expectCanonical(statement, { $0.encode() }, Statement.decode, mutations: 1500)
    try statement.check(against: fixture.contract)
    #expect(statement.paidSat == 1030)
    var wrong = statement
    wrong.owedSat += 1
    #expect(
      refusal { try wrong.check(against: fixture.contract) } == .differs(field: "owed amount"))
    wrong = statement
    wrong.contract = .zero
    #expect(refusal { try wrong.check(against: fixture.contract) } == .differs(field: "contract"))
    wrong = statement
    wrong.paid = [.init(channel: 2, amountSat: 1), .init(channel: 0, amountSat: 1)]
    guard case .refused("channel", _, _)? = refusal({ _ = try Statement.decode(wrong.encode()) })
    else {
      Issue.record("channels out of order are not refused")
      return
    }
  }

  @Test func aDebtIsTheFirstThingOwed() throws {
    var contract = try Fixture().contract
    let plain = contract.owedSat(Fixture.usage)!
    contract.debt = Debt(lease: Sha256.hash([1]), amountSat: 17)
    #expect(contract.owedSat(Fixture.usage) == plain + 17)
    #expect(contract.owedSat(LeaseUsage()) == 17)
    contract.debt?.amountSat = .max
    #expect(contract.owedSat(Fixture.usage) == nil)
  }
}
