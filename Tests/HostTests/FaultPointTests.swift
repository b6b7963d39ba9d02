import Testing

@testable import Host

/// A child process is killed exactly at the named effect; without a name nothing happens.
@Test(arguments: [
  ("store:2", 1), ("store:2:after", 2), ("store", 0), ("other", 3), ("", 3), ("store:2:trap", 1),
])
func theProcessDiesAtTheNamedEffect(text: String, survived: Int) {
  let answers = Parallel.run(1) { _ in [1] }
  #expect(answers == [[1]])
  // Each effect leaves a byte in a pipe; the child's death ends them.
  let pipe = try! Descriptor.pipe()
  _ = Parallel.run(1) { _ in
    var fault = FaultPoint(text: text)
    for _ in 0..<3 {
      fault.before("store")
      try? pipe.writing.writeAll([7])
      fault.after("store")
    }
    return []
  }
  pipe.writing.close()
  var count = 0
  while case .bytes(let bytes)? = try? pipe.reading.read(limit: 16) { count += bytes.count }
  #expect(count == survived)
}
