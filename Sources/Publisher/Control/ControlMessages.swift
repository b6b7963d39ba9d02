import Bytes
import Foundation
import Market

/// A command's request to a running run.
public struct ControlRequest: Codable, Equatable, Sendable {
  public enum Command: String, Codable, Sendable {
    case status
    case stop
    case exec
  }

  public var command: Command
  /// The worker index; nil for the whole run or a single task.
  public var worker: UInt16?
  /// The task's number in the run.
  public var task: UInt32?
  /// For a stop: answer after the tasks have ended.
  public var wait: Bool?
  /// For an exec session: 0 run, 1 copy out, 2 copy in.
  public var kind: UInt8?
  public var arguments: [String]?
  public var environment: [String]?
  public var workdir: String?
  /// Rows and columns of the session's terminal.
  public var terminal: [UInt16]?

  public init(_ command: Command, job: LiveJob? = nil) {
    self.command = command
    worker = job?.worker
    task = job?.task
  }

  /// The exec request; its number and task are filled in later.
  package func session() -> ExecRequest? {
    guard command == .exec, let arguments, !arguments.isEmpty,
      let kind = ExecKind(rawValue: kind ?? 0)
    else { return nil }
    var size: TerminalSize?
    if let terminal {
      if terminal.count != 2 { return nil }
      size = TerminalSize(rows: terminal[0], columns: terminal[1])
    }
    return ExecRequest(
      id: 0, task: 0, kind: kind, terminal: size, arguments: arguments.map { Array($0.utf8) },
      environment: (environment ?? []).map { Array($0.utf8) },
      workdir: Array((workdir ?? "").utf8))
  }
}

/// The answer to a stop: a stopped task and how it ended.
public struct StoppedTask: Codable, Equatable, Sendable {
  /// Its name on the command line.
  public var job: String
  /// The exit word; nil if the client did not wait for the end.
  public var exit: String?

  public init(job: String, exit: String?) {
    self.job = job
    self.exit = exit
  }
}

/// JSON encoding of control messages: snake_case keys.
public enum ControlJson {
  public static func encode(_ value: some Encodable, pretty: Bool = false) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
    return (try? encoder.encode(value)).map { Array($0) } ?? Array("{}".utf8)
  }

  package static func decode<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) -> Value? {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try? decoder.decode(type, from: Data(bytes))
  }
}
