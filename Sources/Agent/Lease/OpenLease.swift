import Bytes
import Channel
import Market

/// A lease that has its funding and is not ending.
struct OpenLease {
  private(set) var standing = Standing.running
  private(set) var text = ""
  /// Since when the lease is suspended.
  private var standsSinceMs: UInt64?
  /// The height since which the funding is unconfirmed; nil while it is confirmed.
  private var unconfirmedSince: UInt32?
  /// Since when it has no task.
  private var idleSinceMs: UInt64?
  /// Since when waiting tasks do not start, and the line count at that time.
  private var stuckSince: (nowMs: UInt64, lines: UInt32)?
  /// Since when the publisher is disconnected.
  private var awaySinceMs: UInt64?
  /// The height since which the newest channel's ladder is too low.
  private var ladderLowSince: UInt32?

  // MARK: Advancing

  /// Updates the standing and the timers. Returns why the lease ends; nil while it continues.
  mutating func advance(_ parts: LeaseParts) -> LeaseEnding? {
    stand(parts)
    count(parts)
    return reasonToEnd(parts)
  }

  private mutating func stand(_ parts: LeaseParts) {
    let (next, nextText) = OpenLease.rule(parts).decision
    let former = standing
    standing = next
    text = nextText
    if next == former { return }
    standsSinceMs = next == .running ? nil : standsSinceMs ?? parts.nowMs
    let isRunning = next == .running
    if isRunning != (former == .running) {
      parts.work.isFrozen = !isRunning
      parts.context.emit(isRunning ? .thawShare(parts.key) : .freezeShare(parts.key))
    }
    if next == .frozen {
      parts.context.warning(parts.label + "frozen: " + text)
    } else {
      parts.context.info(parts.label + next.text + (isRunning ? "" : ": " + text))
    }
    parts.say(next, text)
  }

  private static func rule(_ parts: LeaseParts) -> StandingRule {
    let (books, context) = (parts.books, parts.context)
    let channels = books.channels
    let margin = parts.contract.terms.closeMarginBlocks
    return StandingRule(
      rule: books.account.rule, maxLossSat: parts.contract.providerMaxLossSat,
      pause: context.owner.isPaused ? context.owner.text : nil,
      owedSat: books.owedSat(parts.work), paidSat: channels.paidSat,
      countingSat: channels.countingSat, isUnconfirmed: channels.isUnconfirmed,
      exposedSat: books.exposedSat(parts.work),
      allowedSat: context.unconfirmed.allowedSat(parts.key, unixSeconds: context.now.unixSeconds),
      lacksTopUp: channels.awaitsTopUp
        && context.tipHeight + margin >= channels.confirmedUntilHeight)
  }

  private mutating func count(_ parts: LeaseParts) {
    let (books, work, nowMs) = (parts.books, parts.work, parts.nowMs)
    idleSinceMs = work.isIdle ? idleSinceMs ?? nowMs : nil
    awaySinceMs = parts.call.isReady ? nil : awaySinceMs ?? nowMs
    let isUnconfirmed = books.channels.isUnconfirmed
    ladderLowSince =
      !isUnconfirmed && books.ladderIsLow() ? ladderLowSince ?? parts.context.tipHeight : nil
    // After downtime, the funding's state is unknown until all blocks are scanned.
    unconfirmedSince =
      isUnconfirmed && parts.context.isSynced ? unconfirmedSince ?? parts.context.tipHeight : nil
    let lines = work.lines.count
    if !work.isStuck {
      stuckSince = nil
    } else if stuckSince?.lines != lines {
      stuckSince = (nowMs, lines)
    }
    let isUnready = stuckSince.map { nowMs >= $0.nowMs + LeaseTimes.unreadyMs } ?? false
    books.account.reserve(
      parts.call.isReady && standing == .running && !isUnready, nowMs: nowMs)
  }

  private func reasonToEnd(_ parts: LeaseParts) -> LeaseEnding? {
    let tipHeight = parts.context.tipHeight
    // While the funding is unconfirmed, the lease does not end for lack of payment.
    if let since = unconfirmedSince {
      return tipHeight >= since + LeaseTimes.unconfirmedBlocks ? .unconfirmed : nil
    }
    if standing == .frozen, OpenLease.lasts(standsSinceMs, parts.holdMs, parts) { return .unpaid }
    if OpenLease.lasts(awaySinceMs, parts.holdMs, parts) { return .absent }
    if let since = ladderLowSince, tipHeight >= since + LeaseTimes.ladderBlocks { return .ladder }
    return nil
  }

  private static func lasts(_ sinceMs: UInt64?, _ ms: UInt64, _ parts: LeaseParts) -> Bool {
    sinceMs.map { parts.nowMs >= $0 + ms } ?? false
  }

  // MARK: Queries

  /// Whether the lease earns nothing and yields its place to a new contract.
  func yields(_ parts: LeaseParts) -> Bool {
    let stands = standing == .paused ? nil : standsSinceMs
    if parts.books.channels.isUnconfirmed {
      return OpenLease.lasts(stands, LeaseTimes.unconfirmedYieldMs, parts)
        || OpenLease.lasts(idleSinceMs, LeaseTimes.unconfirmedYieldMs, parts)
    }
    if OpenLease.lasts(stands, LeaseTimes.yieldMs, parts) { return true }
    return OpenLease.lasts(awaySinceMs, LeaseTimes.yieldMs, parts)
      && OpenLease.lasts(idleSinceMs, LeaseTimes.yieldMs, parts)
  }

  /// When a report or timeout is due next.
  func nextDeadlineMs(_ parts: LeaseParts) -> UInt64 {
    let (books, work) = (parts.books, parts.work)
    var earliest = books.nextReportMs(
      isCounting: books.account.isReserving || work.active > 0,
      hasLines: books.hasUnstatedLines(work))
    if books.account.isReserving {
      earliest = min(earliest, parts.nowMs + OpenLease.reservationCheckMs(parts))
      if let since = stuckSince { earliest = min(earliest, since.nowMs + LeaseTimes.unreadyMs) }
    }
    if standing == .frozen, let since = standsSinceMs {
      earliest = min(earliest, since + parts.holdMs)
    }
    if let since = awaySinceMs { earliest = min(earliest, since + parts.holdMs) }
    return earliest
  }

  /// While only the reservation accrues: time until the standing may change or half the loss limit
  /// is owed.
  private static func reservationCheckMs(_ parts: LeaseParts) -> UInt64 {
    let hour: UInt64 = 3_600_000
    let rates = parts.contract.rates
    let hourlySat = max(1, Price.owedSat(rates, LeaseUsage(reservedMs: hour)) ?? UInt64.max)
    let roomSat = min(rule(parts).roomSat, parts.books.reportRoomSat(parts.work))
    let (product, overflow) = roomSat.multipliedReportingOverflow(by: hour)
    let ms = overflow ? hour : product / hourlySat
    return min(
      max(ms, parts.books.account.sampleMs), UInt64(parts.contract.payoutIntervalMs))
  }
}
