// Snappy decompression. Hot: the library calls memmove for every element, which costs more than the copy.
// (google/snappy, format_description.txt.)

import Columns

enum Snappy {
    /// Bytes behind the output that may be written.
    static let slack = 64
    /// Bytes of input that an element with a short length, and the copy of its literal, may touch.
    private static let reach = 72

    private typealias Lane = SIMD16<UInt8>

    /// Fills exactly `size` bytes of `output`, and scribbles on up to 64 behind; false when the input is damaged.
    static func decompress(
        _ input: UnsafeRawPointer, _ count: Int, to output: UnsafeMutableRawPointer, _ size: Int
    ) -> Bool {
        var ip = input
        let ipEnd = input + count
        guard let length = preamble(&ip, ipEnd), length == UInt64(size) else { return false }
        var op = output
        let opEnd = output + size
        if ipEnd - ip > reach {
            let ipFast = ipEnd - reach
            while ip < ipFast {
                let tag = Int(ip.load(as: UInt8.self))
                if tag & 3 == 0 {
                    let length = (tag &>> 2) &+ 1
                    if length <= 60 {
                        guard length <= opEnd - op else { return false }
                        copy(ip + 1, to: op)
                        if length > 16 {
                            copy(ip + 17, to: op + 16)
                            copy(ip + 33, to: op + 32)
                            copy(ip + 49, to: op + 48)
                        }
                        ip += length &+ 1
                        op += length
                        continue
                    }
                    guard longLiteral(tag, &ip, ipEnd, &op, opEnd) else { return false }
                    continue
                }
                // One and two bytes of offset without a branch: text has them in no order that could be predicted.
                let kind = tag & 3
                var next = Int(ip.loadUnaligned(fromByteOffset: 1, as: UInt32.self))
                var length = (tag &>> 2) &+ 1
                if kind < 3 {
                    let isShort = kind & 1
                    length = isShort == 1 ? ((tag &>> 2) & 7) &+ 4 : length
                    next &= (1 &<< (kind &* 8)) &- 1
                    next |= ((tag & 0xe0) &<< 3) & (0 &- isShort)
                    ip += kind &+ 1
                } else {
                    ip += 5
                }
                let offset = next
                guard UInt(bitPattern: offset &- 1) < UInt(bitPattern: op - output), length <= opEnd - op else {
                    return false
                }
                let from = UnsafeRawPointer(op) - offset
                if offset >= 16 {
                    copy(from, to: op)
                    copy(from + 16, to: op + 16)
                    if length > 32 {
                        copy(from + 32, to: op + 32)
                        copy(from + 48, to: op + 48)
                    }
                } else {
                    repeatPattern(from, offset, to: op, length)
                }
                op += length
            }
        }
        return finish(ip, ipEnd, output, op, opEnd)
    }

    @inline(__always)
    private static func copy(_ from: UnsafeRawPointer, to: UnsafeMutableRawPointer) {
        to.storeBytes(of: from.loadUnaligned(as: Lane.self), as: Lane.self)
    }

    /// Copies what overlaps itself at a distance below 16: the distance doubles with every step.
    @inline(__always)
    private static func repeatPattern(
        _ from: UnsafeRawPointer, _ offset: Int, to output: UnsafeMutableRawPointer, _ length: Int
    ) {
        var done = 0
        var distance = offset
        while distance < 16 {
            copy(from, to: output + done)
            done &+= distance
            if done >= length { return }
            distance &*= 2
        }
        while done < length {
            copy(UnsafeRawPointer(output) + done - distance, to: output + done)
            done &+= 16
        }
    }

    private static func preamble(_ ip: inout UnsafeRawPointer, _ end: UnsafeRawPointer) -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while ip < end, shift < 35 {
            let byte = ip.load(as: UInt8.self)
            ip += 1
            value |= UInt64(byte & 0x7f) &<< shift
            if byte < 0x80 { return value }
            shift &+= 7
        }
        return nil
    }

    /// A literal whose length stands in 1 to 4 bytes behind the tag, or one near the end.
    private static func longLiteral(
        _ tag: Int, _ ip: inout UnsafeRawPointer, _ ipEnd: UnsafeRawPointer, _ op: inout UnsafeMutableRawPointer,
        _ opEnd: UnsafeMutableRawPointer
    ) -> Bool {
        var length = (tag &>> 2) &+ 1
        ip += 1
        if length > 60 {
            let bytes = length &- 60
            guard bytes <= ipEnd - ip else { return false }
            length = 1
            for index in 0..<bytes { length &+= Int(ip.load(fromByteOffset: index, as: UInt8.self)) &<< (index &* 8) }
            ip += bytes
        }
        guard length <= ipEnd - ip, length <= opEnd - op else { return false }
        op.copyMemory(from: ip, byteCount: length)
        ip += length
        op += length
        return true
    }

    /// The last elements, without reading past the end.
    private static func finish(
        _ start: UnsafeRawPointer, _ ipEnd: UnsafeRawPointer, _ output: UnsafeMutableRawPointer,
        _ position: UnsafeMutableRawPointer, _ opEnd: UnsafeMutableRawPointer
    ) -> Bool {
        var ip = start
        var op = position
        while ip < ipEnd {
            let tag = Int(ip.load(as: UInt8.self))
            if tag & 3 == 0 {
                guard longLiteral(tag, &ip, ipEnd, &op, opEnd) else { return false }
                continue
            }
            let extra = tag & 3 == 3 ? 4 : tag & 3
            guard extra < ipEnd - ip else { return false }
            var offset = 0
            for index in 0..<extra {
                offset |= Int(ip.load(fromByteOffset: index &+ 1, as: UInt8.self)) &<< (index &* 8)
            }
            var length = (tag &>> 2) &+ 1
            if tag & 3 == 1 {
                length = ((tag &>> 2) & 7) &+ 4
                offset |= (tag & 0xe0) &<< 3
            }
            ip += extra &+ 1
            guard offset > 0, offset <= op - output, length <= opEnd - op else { return false }
            for _ in 0..<length {
                op.storeBytes(of: (op - offset).load(as: UInt8.self), as: UInt8.self)
                op += 1
            }
        }
        return op == opEnd
    }
}
