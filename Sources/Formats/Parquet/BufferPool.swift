// Memory for decompressed pages, used again as soon as nobody points into it.

import Columns

/// Buffers of one scan. One owner thread.
final class BufferPool {
    private var buffers: [Buffer] = []
    private var turn = 0

    /// Buffers kept; more are made, but not kept.
    private static let countMax = 48
    /// Small requests are rounded up to this, so that they fit the next page too.
    private static let bytesMin = 64 << 10

    init() {}

    /// A buffer of at least `bytes` that nobody else holds. Its content is undefined.
    func take(_ bytes: Int) -> Buffer {
        var free = -1
        for step in 0..<buffers.count {
            let index = (turn &+ step) % buffers.count
            guard isKnownUniquelyReferenced(&buffers[index]) else { continue }
            if buffers[index].capacity >= bytes {
                turn = index
                return buffers[index]
            }
            free = index
        }
        let made = Buffer(bytes: max(BufferPool.bytesMin, bytes + bytes / 4))
        if free >= 0 {
            buffers[free] = made
        } else if buffers.count < BufferPool.countMax {
            buffers.append(made)
        }
        return made
    }
}
