import Host
import Publisher

/// What was asked for, on standard output. Everything that `zennet` itself prints there goes through here, as what
/// cannot be printed must not end well (``HostProcess/answer(_:program:failure:)``).
enum Output {
  static func bytes(_ bytes: [UInt8]) {
    HostProcess.answer(bytes, program: "zennet", failure: 1)
  }

  static func text(_ text: String) { bytes(Array(text.utf8)) }
  static func line(_ line: String) { text(line + "\n") }

  static func json<Value: Encodable>(_ value: Value) {
    bytes(ControlJson.encode(value, pretty: true) + [0x0a])
  }
}
