import Bytes

/// Amounts lost to fundings that never confirmed, with the time of each loss. A loss counts for 24
/// hours. Bounded: beyond the capacity, losses are merged.
struct Losses: Equatable {
  static let capacity = 256
  static let daySeconds: UInt64 = 86_400
  private static let version: UInt8 = 1

  private struct Loss: Equatable {
    var unixSeconds: UInt64
    var amountSat: UInt64
  }

  private var losses: [Loss] = []

  mutating func add(_ amountSat: UInt64, unixSeconds: UInt64) {
    if amountSat == 0 { return }
    losses.removeAll { !Losses.counts($0, unixSeconds) }
    if losses.count >= Losses.capacity, var last = losses.popLast() {
      let (sum, overflow) = last.amountSat.addingReportingOverflow(amountSat)
      last.amountSat = overflow ? UInt64.max : sum
      last.unixSeconds = max(last.unixSeconds, unixSeconds)
      losses.append(last)
    } else {
      losses.append(Loss(unixSeconds: unixSeconds, amountSat: amountSat))
    }
  }

  /// The sum of the last 24 hours. If the clock is set back, a loss counts for longer, never for
  /// less.
  func totalSat(unixSeconds: UInt64) -> UInt64 {
    var total: UInt64 = 0
    for loss in losses where Losses.counts(loss, unixSeconds) {
      let (sum, overflow) = total.addingReportingOverflow(loss.amountSat)
      total = overflow ? UInt64.max : sum
    }
    return total
  }

  private static func counts(_ loss: Loss, _ unixSeconds: UInt64) -> Bool {
    loss.unixSeconds > unixSeconds || unixSeconds - loss.unixSeconds < daySeconds
  }

  // MARK: Encoding

  func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 8 + losses.count * 16)
    writer.u8(Losses.version)
    writer.compactSize(losses.count)
    for loss in losses {
      writer.u64le(loss.unixSeconds)
      writer.u64le(loss.amountSat)
    }
    return writer.bytes
  }

  /// Returns nil for anything that ``encode()`` did not write.
  static func decode(_ bytes: [UInt8]) -> Losses? {
    var reader = ByteReader(bytes)
    var read = Losses()
    do throws(BytesError) {
      if try reader.u8() != version { return nil }
      for _ in 0..<(try reader.compactSize(limit: UInt64(capacity))) {
        read.losses.append(
          Loss(unixSeconds: try reader.u64le(), amountSat: try reader.u64le()))
      }
      try reader.finish()
    } catch { return nil }
    return read
  }
}
