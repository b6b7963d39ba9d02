import ArgumentParser
import Foundation
import Host
import Publisher

/// `zennet logs JOB`: shows tasks' output.
struct LogsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs",
    abstract: "Show the output of a run, a worker or a task, also after its end.",
    discussion: """
      Standard output goes to standard output, standard error to standard error. On a terminal, \
      control characters become question marks. The last 4 to 8 MiB of each worker are kept.
      """)

  @OptionGroup var target: JobPlace

  @Flag(name: .shortAndLong, help: "Show new output until the run ends.")
  var follow = false

  @Flag(name: .shortAndLong, help: "Prefix each piece with its arrival time, Unix time in seconds.")
  var timestamps = false

  func run() throws {
    let job = try target.find()
    var readers: [(worker: UInt16, reader: JobLog.Reader)] = []
    func lookForMore() {
      let workers = job.worker.map { [$0] } ?? JobLog.workers(job.folder)
      for worker in workers where !readers.contains(where: { $0.worker == worker }) {
        readers.append((worker, JobLog.Reader(job.folder, worker: worker)))
      }
    }
    lookForMore()
    let namesWorkers =
      job.task == nil && job.worker == nil && LogsCommand.isShared(job, readers.count)
    var printer = OutputPrinter(namesWorkers: namesWorkers) { descriptor, bytes in
      // A closed output ends the command at once.
      if descriptor == 1 { Output.bytes(bytes) } else { HostProcess.write(descriptor, bytes) }
      return nil
    }
    while true {
      // Queried before the last read, so that no output is missed.
      let goesOn = follow && LogsCommand.isLive(job)
      lookForMore()
      for index in readers.indices {
        while let record = readers[index].reader.next() {
          if let task = job.task, record.task != task { continue }
          show(record, readers[index].worker, &printer)
        }
      }
      if !goesOn { break }
      Thread.sleep(forTimeInterval: 0.2)
    }
    printer.finish()
  }

  private func show(_ record: JobLog.Record, _ worker: UInt16, _ printer: inout OutputPrinter) {
    if timestamps {
      let ms = record.unixMs % 1000
      let stamp = "\(record.unixMs / 1000)." + String(repeating: "0", count: 3 - "\(ms)".count)
      printer.print(
        worker: worker, isError: record.isError, Array((stamp + "\(ms) ").utf8))
    }
    printer.print(worker: worker, isError: record.isError, record.bytes)
  }

  /// Whether several workers have output.
  private static func isShared(_ job: LiveJob, _ logs: Int) -> Bool {
    if let status = try? ControlClient.status(job.folder) { return status.wanted > 1 }
    return logs > 1
  }

  private static func isLive(_ job: LiveJob) -> Bool {
    guard let status = try? ControlClient.status(job.folder) else { return false }
    if status.map { return true }
    let watched = status.workers(of: job.worker ?? job.task.flatMap { UInt16(exactly: $0) })
    if watched.count < (job.worker == nil && job.task == nil ? status.wanted : 1) { return true }
    return !watched.allSatisfy { ["settled", "closed"].contains($0.state) }
  }
}
