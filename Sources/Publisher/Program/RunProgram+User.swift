import Bitcoin
import Bytes
import ChainFollower
import Hiring
import Host
import LightClient
import Market
import Wallet

/// Signals, the control socket, progress and input.
extension RunProgram {
  // MARK: The user

  /// Stops the run; repeated calls have no further effect.
  func stop(_ text: String) {
    if !isStopping { timeline.tell(text) }
    isStopping = true
    work.stop(now)
  }

  /// The first signal stops the run; the second one leaves it immediately.
  func signalled() {
    signals += 1
    if signals == 1 {
      stop("stopping: tasks end, what they used is paid; a second signal leaves immediately")
    } else {
      timeline.tell("left; `zennet resume` continues the run")
    }
  }

  /// Opens the control socket. A failure does not stop the run.
  func openControl() {
    guard let path = work.path else { return }
    do throws(HostError) { try control.open(path, reactor) } catch {
      timeline.tell("no control socket: " + error.message, level: 1)
    }
  }

  /// Reports progress until the chain is synced, which may take long or need the user's action.
  func tellProgress() {
    if chain.client.isSynced { return }
    let progress = chain.client.progress
    var text = "following the chain: height \(progress.tipHeight)"
    if let height = progress.filterHeight { text += ", filters up to \(height)" }
    text += ", scanned up to \(progress.scannedHeight), peers: \(progress.readyPeers)"
    if progress.isWaitingForBlock { text += ", waiting for a block" }
    if progress.filterHeight == progress.tipHeight && !progress.isCrossChecked {
      text += ", cross-checking filters"
    }
    timeline.tell(text)
    reactor.setTimer(TimerToken.progress, atMs: Clock.monotonicMs() + RunProgram.progressMs)
  }

  func showStatus() {
    guard let pool = work.pool,
      let text = status?.text(nowMs: Clock.monotonicMs(), { machine.status(of: pool) }, desk.tally)
    else { return }
    timeline.show(progress: text)
  }

  // MARK: Input

  /// Reads standard input and a map's arguments only while tasks accept them.
  func watchInputs() {
    if request.forwardsInput, let pool = work.pool, machine.inputRoom(pool) > 0 {
      reactor.watch(0, token: WatchToken.input)
    } else {
      reactor.unwatch(WatchToken.input)
    }
    if let fd = work.fd {
      reactor.watch(fd, token: WatchToken.arguments)
    } else {
      reactor.unwatch(WatchToken.arguments)
    }
  }

  func readInput() {
    guard let pool = work.pool else { return }
    let room = machine.inputRoom(pool)
    if room == 0 { return }
    let source = Descriptor(owning: 0)
    let result = (try? source.read(limit: min(65_536, room))) ?? .ended
    _ = source.release()
    switch result {
    case .bytes(let bytes): machine.inputRead(bytes, pool, now)
    case .ended: machine.inputEnded(pool, now)
    case .wouldBlock: break
    }
  }
}
