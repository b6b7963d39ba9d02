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

/// Preconditions of following the chain: a correct clock and reachable peers. A failure of either
/// is logged.
extension AgentProgram {
  /// 2025-01-01: an earlier clock is wrong.
  private static let leastSeconds: UInt64 = 1_735_689_600
  private static let clockRetryMs: UInt64 = 5000

  /// Whether the clock is behind the newest accepted header or this program's release. Then new
  /// headers would appear to be in the future.
  var clockIsWrong: Bool {
    let seconds = Clock.unixSeconds()
    return seconds < AgentProgram.leastSeconds
      || HeaderRules.futureLimitSeconds + seconds < UInt64(chain.client.tipTime)
  }

  /// Starts to follow the chain, or retries until the clock is set.
  func startChain() {
    if chainIsStarted { return }
    if clockIsWrong {
      if !clockWasWrong {
        log.error(
          "the clock shows " + Timestamp.text(Clock.unixSeconds())
            + ", which is in the past: waiting until it is set, to validate headers")
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

  /// Detects that the clock was set back while the program runs.
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

  /// Logs why no peer is reached, at increasing intervals.
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
