import Bytes

extension CapabilityReport {
  /// The whole report as JSON, with the digest; block hashes as displayed.
  public var json: String {
    var text = "{\"identity\":\"\(identity.hex)\",\"digest\":\"\(digest.hex)\""
    text += ",\"block_height\":\(blockHeight),\"block_hash\":\"\(blockHash.reversed.hex)\""
    text += ",\"unix_seconds\":\(unixSeconds),\"architecture\":\"\(architecture)\""
    text += ",\"processors\":\(processors),\"memory_mib\":\(memoryMiB)"
    text += ",\"isolation\":\"\(isolationText)\",\"results\":["
    for (index, result) in results.enumerated() {
      text += (index == 0 ? "" : ",") + result.json
    }
    return text + "],\"signature\":\"\(Hex.encode(signature))\"}"
  }

  private var isolationText: String {
    switch isolation {
    case 0: return "none"
    case 1: return "reduced"
    default: return "full"
    }
  }

  /// The report as text, one fact per line.
  public var lines: [String] {
    var lines = [
      "identity          " + identity.hex,
      "block             \(blockHeight) " + blockHash.reversed.hex,
      "architecture      " + architecture,
      "processors        \(processors)",
      "memory            \(memoryMiB) MiB",
      "isolation         " + isolationText,
    ]
    for result in results { lines.append(result.line) }
    return lines
  }
}

extension KernelResult {
  /// A JSON object; `checksum` is hexadecimal, because many JSON readers lose precision above 2^53.
  public var json: String {
    var text = "{\"kernel\":\"\(kernel.name)\",\"status\":\"\(status.text)\""
    if status == .measured {
      text += ",\"unit\":\"\(kernel.unit)\",\"rounds\":\(rounds),\"median\":\(median)"
      text += ",\"min\":\(least),\"max\":\(most),\"checksum\":\"\(checksumHex)\""
    }
    return text + "}"
  }

  private var checksumHex: String {
    var writer = ByteWriter()
    writer.u64be(checksum)
    return Hex.encode(writer.bytes)
  }

  /// For example `integer           5.21 Gop/s   4.90 to 5.30 in 12 rounds`.
  public var line: String {
    var text = kernel.title
    while text.utf8.count < 18 { text += " " }
    if status != .measured { return text + status.text }
    text += kernel.scaled(median)
    while text.utf8.count < 34 { text += " " }
    return text + "\(kernel.scaled(least)) to \(kernel.scaled(most)) in \(rounds) rounds"
  }
}

extension Kernel {
  var title: String {
    switch self {
    case .integer: return "integer"
    case .floatingPoint: return "floating point"
    case .memoryBandwidth: return "memory bandwidth"
    case .memoryLatency: return "memory latency"
    case .compression: return "compression"
    case .decompression: return "decompression"
    case .diskWrite: return "disk write"
    case .diskRead: return "disk random read"
    case .scaling: return "all processors"
    }
  }

  /// A value in a unit that leaves few digits.
  func scaled(_ value: UInt64) -> String {
    switch self {
    case .integer, .floatingPoint:
      return Kernel.short(value, 1000, ["op/s", "kop/s", "Mop/s", "Gop/s"])
    case .memoryBandwidth, .compression, .decompression, .diskWrite:
      return Kernel.short(value, 1024, ["KiB/s", "MiB/s", "GiB/s"])
    case .memoryLatency: return Kernel.short(value, 1000, ["ps", "ns", "us"])
    case .diskRead: return Kernel.short(value, 1000, ["reads/s", "kreads/s", "Mreads/s"])
    case .scaling: return Kernel.decimal(value * 100 / 1000) + " cores"
    }
  }

  private static func short(_ value: UInt64, _ step: UInt64, _ units: [String]) -> String {
    var unit = 0
    var divisor: UInt64 = 1
    while unit + 1 < units.count && value / divisor >= step {
      divisor *= step
      unit += 1
    }
    if unit == 0 { return "\(value) \(units[0])" }
    let whole = value / divisor
    let hundredths = value % divisor * 100 / divisor
    return decimal(whole * 100 + hundredths) + " " + units[unit]
  }

  private static func decimal(_ hundredths: UInt64) -> String {
    let fraction = hundredths % 100
    return "\(hundredths / 100)." + (fraction < 10 ? "0" : "") + "\(fraction)"
  }
}
