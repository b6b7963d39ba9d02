import Bitcoin
import Bytes
import Crypto

/// What an exec session runs.
public enum ExecKind: UInt8, Sendable {
  /// A program of the bundle.
  case run = 0
  /// The agent's own packer: a tar of the path that is the only argument goes to standard output.
  case copyOut = 1
  /// The agent's own unpacker: standard input is a tar for the path that is the only argument.
  case copyIn = 2
}

public struct TerminalSize: Equatable, Sendable {
  public var rows: UInt16
  public var columns: UInt16

  public init(rows: UInt16, columns: UInt16) {
    self.rows = rows
    self.columns = columns
  }
}

/// Publisher: start an exec session, a program in the sandbox of a running task and within its limits. It
/// ends with the task, and with the connection: it is never resumed.
public struct ExecRequest: Equatable, Sendable {
  /// The publisher's number for it; above zero, not that of another session that still runs.
  public var id: UInt32
  /// The number of the task.
  public var task: UInt32
  public var kind: ExecKind
  /// Its terminal's size; nil gives it three pipes.
  public var terminal: TerminalSize?
  /// The program (looked up in PATH when its name has no slash) and its arguments: at most 64 of at
  /// most 4 KiB.
  public var arguments: [[UInt8]]
  /// `NAME=value`, in addition to the task's own, which these replace: at most 64.
  public var environment: [[UInt8]]
  /// Absolute; empty is the task's own.
  public var workdir: [UInt8]

  public init(
    id: UInt32, task: UInt32, kind: ExecKind = .run, terminal: TerminalSize? = nil,
    arguments: [[UInt8]],
    environment: [[UInt8]] = [], workdir: [UInt8] = []
  ) {
    self.id = id
    self.task = task
    self.kind = kind
    self.terminal = terminal
    self.arguments = arguments
    self.environment = environment
    self.workdir = workdir
  }

  /// What the session's streams are called, in a lease.
  public static func streamKey(contract: Bytes32, id: UInt32) -> Bytes32 {
    var writer = ByteWriter()
    writer.append(contract)
    writer.u32le(id)
    return Sha256.tagged("zennet/exec", writer.bytes)
  }

  /// Of signals that may be asked for.
  public static let signals: ClosedRange<UInt8> = 1...64

  func encode(to writer: inout ByteWriter) {
    writer.u32le(id)
    writer.u32le(task)
    writer.u8(kind.rawValue)
    writer.u16le(terminal?.rows ?? 0)
    writer.u16le(terminal?.columns ?? 0)
    writer.u8(terminal == nil ? 0 : 1)
    for list in [arguments, environment] {
      writer.compactSize(list.count)
      for text in list { writer.lengthPrefixed(text) }
    }
    writer.lengthPrefixed(workdir)
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> ExecRequest {
    let id = try reader.u32("exec session", 1...UInt32.max)
    let task = try reader.u32("task", 1...UInt32.max)
    let kind = ExecKind(rawValue: try reader.u8("exec kind", 0...2)) ?? .run
    let sizeOffset = reader.offset
    let size = TerminalSize(rows: try reader.u16("rows"), columns: try reader.u16("columns"))
    let hasTerminal = try reader.bool("terminal")
    if !hasTerminal && (size.rows != 0 || size.columns != 0) {
      throw reader.refuse("rows", at: sizeOffset, "of a program without a terminal")
    }
    let start = reader.offset
    let arguments = try reader.arguments()
    if kind != .run && (arguments.count != 1 || hasTerminal) {
      throw reader.refuse("arguments", at: start, "not what this kind takes")
    }
    return ExecRequest(
      id: id, task: task, kind: kind, terminal: hasTerminal ? size : nil, arguments: arguments,
      environment: try reader.environment(),
      workdir: try reader.path("workdir", allowsEmpty: true))
  }
}

/// Provider: how an exec session ended.
public struct ExecEnd: Equatable, Sendable {
  public var id: UInt32
  public var kind: ExitKind
  /// As in ``TaskLine``.
  public var status: Int32

  public init(id: UInt32, kind: ExitKind, status: Int32) {
    self.id = id
    self.kind = kind
    self.status = status
  }
}
