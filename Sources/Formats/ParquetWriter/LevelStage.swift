// The levels of a page of a nested column's leaf, until they are written. Hot.

import Columns

/// Levels of a page, a byte each. One owner thread.
final class LevelStage {
    private let definitionMax: Int
    private let repetitionMax: Int
    private let definitions = OutputBuffer(32 << 10)
    private let repetitions = OutputBuffer(32 << 10)

    init(_ leaf: WriteLeaf) {
        definitionMax = leaf.definitionMax
        repetitionMax = leaf.repetitionMax
    }

    func append(_ definitions: UnsafePointer<UInt8>, _ repetitions: UnsafePointer<UInt8>, _ n: Int) {
        if definitionMax > 0 { self.definitions.append(definitions, n) }
        if repetitionMax > 0 { self.repetitions.append(repetitions, n) }
    }

    /// Writes both kinds as a page of version 1 has them, and forgets them.
    func write(_ n: Int, to body: OutputBuffer) {
        write(repetitions, repetitionMax, n, to: body)
        write(definitions, definitionMax, n, to: body)
    }

    private func write(_ levels: OutputBuffer, _ most: Int, _ n: Int, to body: OutputBuffer) {
        guard most > 0 else { return }
        let start = body.count
        body.append(littleEndian: 0)
        let codes = Buffer(count: n + 8, of: UInt32.self)
        let (from, to) = (levels.base.assumingMemoryBound(to: UInt8.self), codes.pointer(UInt32.self))
        for index in 0..<n { to[index] = UInt32(from[index]) }
        HybridWriter.write(to, n, width: LevelBits.width(most), to: body)
        let length = UInt32(truncatingIfNeeded: body.count - start - 4)
        body.base.storeBytes(of: length.littleEndian, toByteOffset: start, as: UInt32.self)
        levels.count = 0
    }
}
