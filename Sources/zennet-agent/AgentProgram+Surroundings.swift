import Agent
import Bitcoin
import Bytes
import Capability
import ChainFollower
import Crypto
import Host
import LightClient
import Market
import Sandbox
import Storage

/// What must be right around the program before the chain can be followed: the clock, and peers that
/// can be reached. Neither stalls it without a word.
extension AgentProgram {
  /// 2025-01-01: no clock of a machine that runs this shows less.
  private static let leastSeconds: UInt64 = 1_735_689_600
  private static let clockRetryMs: UInt64 = 5000

  /// A clock behind the newest header that was accepted, or behind this program, makes every new header
  /// one of the future.
  var clockIsWrong: Bool {
    let seconds = Clock.unixSeconds()
    return seconds < AgentProgram.leastSeconds
      || HeaderRules.futureLimitSeconds + seconds < UInt64(chain.client.tipTime)
  }

  /// Follows the chain from now on, or as soon as the clock is set.
  func startChain() {
    if chainIsStarted { return }
    if clockIsWrong {
      if !clockWasWrong {
        log.error(
          "the clock says " + Timestamp.text(Clock.unixSeconds())
            + ", which is past: waiting until it is set, as headers could not be judged")
      }
      clockWasWrong = true
      reactor.setTimer(
        TimerToken.clock, atMs: Clock.monotonicMs() + AgentProgram.clockRetryMs)
      return
    }
    if clockWasWrong { log.warning("the clock is set, to " + Timestamp.text(Clock.unixSeconds())) }
    clockWasWrong = false
    chainIsStarted = true
    chain.start()
  }

  /// The clock may be set back while the program runs.
  func lookAtClock() {
    if !chainIsStarted || clockIsWrong == clockWasWrong { return }
    clockWasWrong = !clockWasWrong
    let text = Timestamp.text(Clock.unixSeconds())
    if clockWasWrong {
      log.error(
        "the clock was set back, to " + text + ": new headers are refused until it is right")
    } else {
      log.warning("the clock is set, to " + text)
    }
  }

  /// Says why nobody is reached, at first soon, then ever more rarely.
  func lookAtPeers() {
    guard let failure = chain.takeFailure() else { return }
    for peer in chain.client.peers where peer.isReady {
      peerGapMs = 30_000
      return
    }
    let nowMs = Clock.monotonicMs()
    if nowMs < peersToldMs { return log.debug(failure) }
    log.warning("no peer is reached: " + failure + "; trying again")
    peersToldMs = nowMs + peerGapMs
    peerGapMs = min(peerGapMs * 2, 3_600_000)
  }
}
