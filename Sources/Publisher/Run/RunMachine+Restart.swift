import Bytes
import Channel
import Market

/// A run after its program was killed: its record, its hires and its channels are on disk.
extension RunMachine {
  /// Call before ``started(_:tipHeight:blockHash:)``.
  public func restored(_ record: RunRecord) { self.record = record }

  /// A hire that an earlier program stored, after ``restored(_:)``. Throws where the channel's state
  /// cannot be read: then somebody has to look, as it is money.
  public func restored(_ stored: HireRecord, channelState: [UInt8], _ now: RunTime) throws {
    context.now = now
    let secret = try context.secrets.channelSecret(stored.channelIndex)
    let channel = try PublisherChannel(restoring: channelState, secret: secret)
    let hire = Hire(record: stored, channel: channel, context: context)
    hire.resumeAfterRestart()
    // Those that ended unfunded are only remembered so that they are not hired again.
    hires.append(hire)
  }
}

extension Hire {
  func resumeAfterRestart() {
    if stage == .abandoned { return }
    if channel.funding != nil && stage < .funding { record.stage = .funding }
    if payments > 0 && stage < .transferring { record.stage = .transferring }
    // The channel is stored before the record that says what it means.
    if channel.spend != nil { enter(.closed) }
    hasHeardStart = stage >= .running
    if record.resultsAreHeld { resultBytes = record.exit?.resultBytes ?? 0 }
    // To the second before.
    if record.openedUnixSeconds > 0 { workSince.unixSeconds = record.openedUnixSeconds - 1 }
    watchChannel()
    // A funding that is in no block yet is relayed again; payments wait for the machine's call.
    drainChannel()
  }
}

extension RunMachine {
  /// A new wallet's birth was looked up in the chain. Call before the start.
  func setWalletBirth(_ height: UInt32) { wallet.setBirth(height) }
}
