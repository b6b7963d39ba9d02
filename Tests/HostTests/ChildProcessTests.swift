import Testing

@testable import Host

@Suite struct ChildProcessTests {
  private func output(_ descriptor: Descriptor) throws -> String {
    var bytes: [UInt8] = []
    while case .bytes(let more) = try descriptor.read(limit: 4096) { bytes += more }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func givesArgumentsEnvironmentAndDescriptors() throws {
    let input = try Descriptor.pipe()
    let output = try Descriptor.pipe()
    let child = try ChildProcess(
      ["/bin/sh", "-c", "read line; echo \"$line $1 $NAME $HOME.\"; exit 3", "sh", "a b"],
      environment: ["NAME=value"], input: input.reading.fd, output: output.writing.fd)
    output.writing.close()
    try input.writing.writeAll(Array("hello\n".utf8))
    #expect(try self.output(output.reading) == "hello a b value .\n")
    #expect(try child.wait() == .exited(status: 3))
    #expect(try child.poll() == .exited(status: 3))
  }

  /// No descriptor of this process reaches a child, but those that were named.
  @Test func nothingElseIsInherited() throws {
    let other = try Descriptor.pipe()
    let output = try Descriptor.pipe()
    let child = try ChildProcess(
      ["/bin/ls", "/proc/self/fd"], output: output.writing.fd)
    output.writing.close()
    let names = try self.output(output.reading).split(separator: "\n")
    #expect(try child.wait() == .exited(status: 0))
    #expect(names.contains("1"))
    // The runner of the tests may leave some of its own open; these are ours.
    for fd in [other.reading.fd, other.writing.fd, output.reading.fd] where fd > 3 {
      #expect(!names.contains("\(fd)"))
    }
  }

  @Test func tellsOfAProgramThatCannotBeStarted() throws {
    #expect {
      _ = try ChildProcess(["/no/such/program"])
    } throws: { error in
      (error as? HostError)?.message == "/no/such/program: start: No such file or directory"
    }
    #expect(throws: HostError.self) { try ChildProcess([]) }
    #expect(throws: HostError.self) { try ChildProcess(["/bin/true", "a\0b"]) }
  }

  @Test func killsAGroup() throws {
    let child = try ChildProcess(["/bin/sh", "-c", "sleep 1000 & sleep 1000"], leadsGroup: true)
    #expect(try child.poll() == nil)
    child.killGroup(.kill)
    #expect(try child.wait() == .killed(signal: 9))
  }

  @Test func signalsAreAtTheirDefaultsInChildren() throws {
    let output = try Descriptor.pipe()
    let child = try ChildProcess(
      ["/bin/sh", "-c", "kill -PIPE $$; echo alive"], output: output.writing.fd)
    output.writing.close()
    #expect(try child.wait() == .killed(signal: 13))
  }
}
