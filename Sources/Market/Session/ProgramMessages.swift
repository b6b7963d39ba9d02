import Bitcoin
import Bytes
import Crypto

/// What a further program beside a job is.
public enum ProgramTask: UInt8, Sendable {
  /// A program of the bundle.
  case run = 0
  /// The machine's own packer: a tar of the path that is the only argument goes to standard output.
  case copyOut = 1
  /// The machine's own unpacker: standard input is a tar for the path that is the only argument.
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

/// Publisher: start a further program beside the running job, behind the same walls and at the cost
/// of the same limits. It ends with the job, and with the connection: it is never resumed.
public struct ProgramRequest: Equatable, Sendable {
  /// The publisher's number for it; above zero, not that of another program that still runs.
  public var id: UInt32
  public var task: ProgramTask
  /// Its terminal's size; nil gives it three pipes.
  public var terminal: TerminalSize?
  /// The program (looked up in PATH when its name has no slash) and its arguments: at most 64 of at
  /// most 4 KiB.
  public var arguments: [[UInt8]]
  /// `NAME=value`, in addition to the job's own, which these replace: at most 64.
  public var environment: [[UInt8]]
  /// Absolute; empty is the job's own.
  public var workdir: [UInt8]

  public init(
    id: UInt32, task: ProgramTask = .run, terminal: TerminalSize? = nil, arguments: [[UInt8]],
    environment: [[UInt8]] = [], workdir: [UInt8] = []
  ) {
    self.id = id
    self.task = task
    self.terminal = terminal
    self.arguments = arguments
    self.environment = environment
    self.workdir = workdir
  }

  /// What the program's streams are called in a session of this contract.
  public static func streamKey(contract: Bytes32, id: UInt32) -> Bytes32 {
    var writer = ByteWriter()
    writer.append(contract)
    writer.u32le(id)
    return Sha256.tagged("zennet/program", writer.bytes)
  }

  /// Of signals that may be asked for.
  public static let signals: ClosedRange<UInt8> = 1...64

  func encode(to writer: inout ByteWriter) {
    writer.u32le(id)
    writer.u8(task.rawValue)
    writer.u16le(terminal?.rows ?? 0)
    writer.u16le(terminal?.columns ?? 0)
    writer.u8(terminal == nil ? 0 : 1)
    for list in [arguments, environment] {
      writer.compactSize(list.count)
      for text in list { writer.lengthPrefixed(text) }
    }
    writer.lengthPrefixed(workdir)
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> ProgramRequest {
    let id = try reader.u32("program", 1...UInt32.max)
    let task = ProgramTask(rawValue: try reader.u8("task", 0...2)) ?? .run
    let sizeOffset = reader.offset
    let size = TerminalSize(rows: try reader.u16("rows"), columns: try reader.u16("columns"))
    let hasTerminal = try reader.bool("terminal")
    if !hasTerminal && (size.rows != 0 || size.columns != 0) {
      throw reader.refuse("rows", at: sizeOffset, "of a program without a terminal")
    }
    let arguments = try Offer.strings(&reader, "arguments", 1...Offer.maxArguments)
    if arguments[0].isEmpty || (task != .run && (arguments.count != 1 || hasTerminal)) {
      throw reader.refuse("arguments", at: reader.offset, "not what this task takes")
    }
    let environment = try Offer.readEnvironment(&reader)
    let start = reader.offset
    let workdir = try reader.bytes("workdir", 0...Limits.maxTextBytes)
    if !workdir.isEmpty && (workdir[0] != 0x2f || TextRules.hasZero(workdir)) {
      throw reader.refuse("workdir", at: start, "not an absolute path")
    }
    return ProgramRequest(
      id: id, task: task, terminal: hasTerminal ? size : nil, arguments: arguments,
      environment: environment, workdir: workdir)
  }
}

/// Provider: how a further program ended.
public struct ProgramEnd: Equatable, Sendable {
  public var id: UInt32
  public var kind: ExitKind
  /// As in ``JobExit``.
  public var status: Int32

  public init(id: UInt32, kind: ExitKind, status: Int32) {
    self.id = id
    self.kind = kind
    self.status = status
  }
}
