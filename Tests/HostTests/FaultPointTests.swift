import Testing

@testable import Host

/// A child process is killed exactly at the named effect; without a name nothing happens.
@Test(arguments: [
  ("store:2", 1), ("store:2:after", 2), ("store", 0), ("other", 3), ("", 3), ("store:2:trap", 1),
])
func theProcessDiesAtTheNamedEffect(text: String, survived: Int) throws {
  let answers = Parallel.run(1) { _ in [1] }
  #expect(answers == [[1]])
  // Each effect leaves a byte in a file, as the child has none of our descriptors; its death ends them.
  let scratch = try Scratch()
  _ = Parallel.run(1) { _ in
    var fault = FaultPoint(text: text)
    for _ in 0..<3 {
      fault.before("store")
      try? Files.append(scratch.file("effects"), [7])
      fault.after("store")
    }
    return []
  }
  let count = try Files.status(scratch.file("effects"))?.sizeBytes ?? 0
  #expect(count == UInt64(survived))
}
