import Bytes
import Host

/// The other end of a run's control socket.
public enum ControlClient {
  /// Asks once, and waits for the answer; nil where none came in time.
  private static func answer(
    _ runFolder: String, _ request: ControlRequest, waitMs: UInt64
  ) throws(RunError) -> [UInt8]? {
    let reactor = Reactor()
    let id = reactor.connect(to: .unix(path: ControlServer.path(runFolder)))
    reactor.send(id, ControlFrame.request(ControlJson.encode(request)).encode())
    var frames = ControlFrames()
    let deadline = Clock.monotonicMs() + waitMs
    while true {
      let event: ReactorEvent?
      do throws(HostError) { event = try reactor.next(untilMs: deadline) } catch {
        throw .host(error)
      }
      switch event {
      case .received(_, let bytes):
        frames.append(bytes)
        switch frames.next() {
        case .answer(let json): return json
        case .failed(let text): throw .usage(String(decoding: text, as: UTF8.self))
        case nil: break
        default: throw .usage("the run's answer is not understood")
        }
      case .closed: throw .usage("the run does not go on")
      case nil: return nil
      default: break
      }
    }
  }

  private static func ask(
    _ runFolder: String, _ request: ControlRequest
  ) throws(RunError) -> [UInt8] {
    guard let json = try answer(runFolder, request, waitMs: 10_000) else {
      throw .usage("the run does not answer")
    }
    return json
  }

  public static func status(_ runFolder: String) throws(RunError) -> RunStatus {
    let json = try ask(runFolder, ControlRequest(.status))
    guard let status = ControlJson.decode(RunStatus.self, json) else {
      throw .usage("the run's answer is not understood")
    }
    return status
  }

  /// Ends a task, those of a worker, or all of them. Returns once that is on its way, or, where `waits`, when
  /// the machines have reported their end, for which they get a minute.
  public static func stop(_ job: LiveJob, waits: Bool) throws(RunError) -> [StoppedTask] {
    var request = ControlRequest(.stop, job: job)
    request.wait = waits
    guard let json = try answer(job.folder, request, waitMs: waits ? 60_000 : 10_000) else {
      throw .usage(
        waits ? "the machine has not reported the task's end yet" : "the run does not answer")
    }
    guard let stopped = ControlJson.decode([StoppedTask].self, json) else {
      throw .usage("the run's answer is not understood")
    }
    return stopped
  }
}
