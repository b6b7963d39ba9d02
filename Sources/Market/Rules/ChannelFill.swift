import Bitcoin

/// Which channel of a lease is paid next, and how much: channels are filled in order of expiry, and the
/// first payment of each is at least the bid's.
public enum ChannelFill {
  public struct Channel: Equatable, Sendable {
    public var paidSat: UInt64
    public var maxPayableSat: UInt64
    /// Funded, and not closing.
    public var takesPayments: Bool

    public init(paidSat: UInt64, maxPayableSat: UInt64, takesPayments: Bool) {
      self.paidSat = paidSat
      self.maxPayableSat = maxPayableSat
      self.takesPayments = takesPayments
    }
  }

  /// The payment that brings the sum nearer to `owedSat`: the channel's place and its new total. Nil
  /// where nothing is left to pay, or no channel has room.
  public static func next(
    owedSat: UInt64, _ channels: [Channel], firstPaymentSat: UInt64
  ) -> (place: Int, totalSat: UInt64)? {
    var paidSat: UInt64 = 0
    for channel in channels { paidSat += channel.paidSat }
    if owedSat <= paidSat { return nil }
    let missingSat = owedSat - paidSat
    for place in channels.indices where channels[place].takesPayments {
      let channel = channels[place]
      let roomSat = channel.maxPayableSat - min(channel.paidSat, channel.maxPayableSat)
      if roomSat == 0 { continue }
      var totalSat = channel.paidSat + min(missingSat, roomSat)
      if channel.paidSat == 0 { totalSat = max(totalSat, firstPaymentSat) }
      if totalSat > channel.maxPayableSat { continue }
      return (place, totalSat)
    }
    return nil
  }

  /// What can still be paid.
  public static func roomSat(_ channels: [Channel]) -> UInt64 {
    var room: UInt64 = 0
    for channel in channels where channel.takesPayments {
      room += channel.maxPayableSat - min(channel.paidSat, channel.maxPayableSat)
    }
    return room
  }
}
