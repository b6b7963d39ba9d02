import Bitcoin
import Bytes
import Host
import Storage
import Wallet

/// What the machine decides, done. A disk that does not take money's state ends the program: nothing
/// may go on as if it had.
extension RunProgram {
  /// Above this, a worker is not reading fast enough to be sent more.
  private static let blockedBytes = 262_144

  func carryOut() throws(RunError) {
    while let effect = machine.nextEffect() {
      fault.before(effect.name)
      try carryOut(effect)
      fault.after(effect.name)
    }
  }

  private func carryOut(_ effect: RunEffect) throws(RunError) {
    switch effect {
    case .log(let level, let text): timeline.tell(text, level: level)
    case .transmit(let key, let bytes): transmit(key, bytes)
    case .hangUp(let key):
      if let id = connections.removeValue(forKey: key) { reactor.finish(id) }
    case .watch(let script, let fromHeight): chain.watch(script, fromHeight: fromHeight)
    case .unwatch(let script): chain.unwatch(script)
    case .broadcast(let transaction): chain.broadcast(transaction)
    case .forget(let txid): chain.forget(txid)
    case .print(let worker, let isError, let bytes):
      printer.print(worker: worker, isError: isError, bytes)
      if let keptRun {
        JobLog.append(folder.folder(keptRun), worker: worker, isError: isError, bytes)
      }
    case .program(let id, let event): control.tell(id, event, self)
    case .storeRun, .storeHire, .storeChannel, .storeWallet, .storeChannelIndex: try store(effect)
    case .appendResults(let worker, let offset, let bytes):
      do throws(HostError) { try results?.append(worker: worker, offset: offset, bytes) } catch {
        throw .host(error)
      }
    case .keepResults(let worker): try keepResults(worker)
    }
  }

  private func store(_ effect: RunEffect) throws(RunError) {
    switch effect {
    case .storeRun(let id, let body):
      if keptRun != id {
        var kept = options
        // Workers dial what was announced: whoever goes on has to listen there.
        kept.listen = address.description
        try folder.keep(kept, bundles: plan.bundles, id: id)
        keptRun = id
        timeline.tell("run " + RunFolder.name(id))
        openControl(id)
      }
      try folder.store(RunFolder.DocumentKind.run, id: id, body)
    case .storeHire(let contract, let body):
      try folder.store(RunFolder.DocumentKind.hire, id: contract, body)
    case .storeChannel(let contract, let sequence, let amountSat, let state):
      try folder.storeChannel(contract, sequence: sequence, amountSat: amountSat, state)
    case .storeWallet(let state):
      // As it was when the effect was queued: the wallet of now may hold a funding whose channel is
      // not stored yet, and a restart would relay that.
      do throws(WalletFolderError) { try folder.walletFolder.save(state) } catch {
        throw .folder(error)
      }
    case .storeChannelIndex(let index): try folder.storeChannelIndex(index)
    default: break
    }
  }

  /// Without it the run goes on all the same.
  func openControl(_ id: Bytes32) {
    do throws(HostError) { try control.open(folder.folder(id), reactor) } catch {
      timeline.tell("no control socket: " + error.message, level: 1)
    }
  }

  private func transmit(_ key: CallKey, _ bytes: [UInt8]) {
    guard let id = connections[key] else { return }
    reactor.send(id, bytes)
    if reactor.pendingBytes(id) > RunProgram.blockedBytes {
      machine.transportIsBlocked(key, true, now)
    }
  }

  var results: ResultsWriter? {
    machine.runRecord.map { folder.results(of: $0, options) }
  }

  private func keepResults(_ worker: UInt16) throws(RunError) {
    guard let results else { return }
    do { try results.keep(worker: worker) } catch {
      throw .damaged("the results of worker \(worker) cannot be kept: \(error)")
    }
    unpackResults(worker, results)
  }

  /// Results that cannot be unpacked stay as they came, and do not end the run, which then has failed.
  func unpackResults(_ worker: UInt16, _ results: ResultsWriter) {
    do {
      let leftOut = try results.write(worker: worker)
      unwritten.remove(worker)
      if let text = leftOut.text { timeline.tell("worker \(worker): " + text, level: 1) }
    } catch {
      unwritten.insert(worker)
      let reason = (error as? any CopyProblem)?.message ?? "\(error)"
      timeline.tell(
        "worker \(worker): its results cannot be written: \(reason); they are in "
          + results.archive(worker) + ", and `zennet resume` tries again", level: 0)
    }
  }

  /// What an earlier program could not write.
  func unpackAgain(_ hires: [HireRecord]) {
    guard let results else { return }
    for hire in hires where hire.resultsAreHeld {
      let worker = hire.contract.contract.workerIndex
      if results.isUnwritten(worker: worker) { unpackResults(worker, results) }
    }
  }
}
