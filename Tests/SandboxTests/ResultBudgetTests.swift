import Testing

@testable import Sandbox

struct ResultBudgetTests {
  @Test func anArchiveNeverPassesItsLimit() {
    for seed in 0..<200 as Range<UInt64> {
      var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
      func random(_ below: UInt64) -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state >> 33) % below
      }
      let limit = random(2) == 0 ? random(5000) : random(4 << 20)
      var budget = ResultBudget(limitBytes: limit)
      var written = ResultBudget.endBytes
      for _ in 0..<500 {
        let size = random(8) == 0 ? UInt64.max - random(600) : random(40_000)
        let header = Int(512 * (1 + random(3)))
        if budget.takes(header: header, size: size) {
          written += UInt64(header) + (size + 511) / 512 * 512
        } else if budget.takesName(header: header) {
          written += UInt64(header)
        }
      }
      #expect(written <= max(limit, ResultBudget.endBytes), "seed \(seed), limit \(limit)")
    }
  }

  @Test func namesHaveAPlaceOfTheirOwn() {
    var budget = ResultBudget(limitBytes: 1 << 20)
    let isTaken = budget.takes(header: 512, size: 1 << 20)
    #expect(!isTaken)
    while budget.takes(header: 512, size: 100_000) {}
    while budget.takes(header: 512, size: 0) {}
    var names = 0
    while budget.takesName(header: 512) { names += 1 }
    #expect(names >= 250)
    var whole = ResultBudget(limitBytes: .max)
    let hasPlace = whole.takes(header: 512, size: 1 << 62)
    #expect(hasPlace)
  }
}
