import Host

/// Runs all modules' test vectors in this binary and prints one line per test.
enum SelfTestCommand {
  static func main(_ arguments: inout Arguments) {
    arguments.finish()
    var failed = 0
    var passed = 0
    let report: (StaticString, Bool) -> Void = { name, isGood in
      if isGood { passed += 1 } else { failed += 1 }
      Output.line((isGood ? "ok   " : "FAIL ") + text(name))
    }
    SelfTests.run(report)
    Output.line("\(passed) passed, \(failed) failed")
    if failed > 0 || passed == 0 { Output.exit(.failure) }
  }

  private static func text(_ name: StaticString) -> String {
    String(
      decoding: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount),
      as: UTF8.self)
  }
}
