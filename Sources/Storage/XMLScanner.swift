// As much XML as S3 speaks: elements and text. Attributes, comments and declarations are passed over.

/// Reads a document in one pass and reports each element when it ends.
enum XMLScanner {
    /// Deeper documents are none of ours.
    static let depthMax = 32

    /// Calls `element` with the local names from the root down and the element's own text, after its children.
    /// Returns whether the document was well formed and complete.
    static func scan(_ bytes: [UInt8], element: ([String], String) -> Void) -> Bool {
        var scanner = Scanner(bytes: bytes)
        return scanner.run(element)
    }

    private struct Scanner {
        let bytes: [UInt8]
        var at = 0
        var path: [String] = []
        var texts: [[UInt8]] = []
        var hasRoot = false

        init(bytes: [UInt8]) { self.bytes = bytes }

        mutating func run(_ element: ([String], String) -> Void) -> Bool {
            while at < bytes.count {
                if bytes[at] != UInt8(ascii: "<") {
                    guard takeText() else { return false }
                } else if starts("<?") {
                    guard skip(to: "?>") else { return false }
                } else if starts("<!--") {
                    guard skip(to: "-->") else { return false }
                } else if starts("<![CDATA[") {
                    guard takeCDATA() else { return false }
                } else if starts("<!") {
                    guard skip(to: ">") else { return false }
                } else if starts("</") {
                    guard takeEnd(element) else { return false }
                } else {
                    guard takeStart(element) else { return false }
                }
            }
            return hasRoot && path.isEmpty
        }

        private func starts(_ text: StaticString) -> Bool {
            let count = text.utf8CodeUnitCount
            guard at + count <= bytes.count else { return false }
            for index in 0..<count where bytes[at + index] != text.utf8Start[index] { return false }
            return true
        }

        private mutating func skip(to text: StaticString) -> Bool {
            while at < bytes.count {
                if starts(text) {
                    at += text.utf8CodeUnitCount
                    return true
                }
                at += 1
            }
            return false
        }

        private mutating func takeText() -> Bool {
            var start = at
            while at < bytes.count, bytes[at] != UInt8(ascii: "<") {
                if bytes[at] == UInt8(ascii: "&") {
                    append(bytes[start..<at])
                    guard let scalar = takeEntity() else { return false }
                    append(Array(String(scalar).utf8)[...])
                    start = at
                } else {
                    at += 1
                }
            }
            append(bytes[start..<at])
            return true
        }

        private mutating func append(_ some: ArraySlice<UInt8>) {
            // Text around the root is white space at most, and nobody's.
            if !texts.isEmpty { texts[texts.count - 1].append(contentsOf: some) }
        }

        private mutating func takeEntity() -> Unicode.Scalar? {
            // The longest is a scalar in decimal: &#1114111;
            let end = min(at + 12, bytes.count)
            guard let semicolon = bytes[at..<end].firstIndex(of: UInt8(ascii: ";")) else { return nil }
            let name = String(decoding: bytes[at + 1..<semicolon], as: UTF8.self)
            at = semicolon + 1
            switch name {
            case "amp": return "&"
            case "lt": return "<"
            case "gt": return ">"
            case "quot": return "\""
            case "apos": return "'"
            default:
                guard name.hasPrefix("#") else { return nil }
                let digits = name.dropFirst()
                let isHex = digits.hasPrefix("x") || digits.hasPrefix("X")
                let value = isHex ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
                return value.flatMap { Unicode.Scalar($0) }
            }
        }

        private mutating func takeCDATA() -> Bool {
            at += 9
            let start = at
            guard skip(to: "]]>") else { return false }
            append(bytes[start..<at - 3])
            return true
        }

        /// The local name at the cursor: what follows the colon of a namespace.
        private mutating func takeName() -> String {
            var start = at
            while at < bytes.count {
                switch bytes[at] {
                case UInt8(ascii: ">"), UInt8(ascii: "/"), UInt8(ascii: " "), 9, 10, 13:
                    return String(decoding: bytes[start..<at], as: UTF8.self)
                case UInt8(ascii: ":"):
                    at += 1
                    start = at
                default: at += 1
                }
            }
            return ""
        }

        private mutating func takeStart(_ element: ([String], String) -> Void) -> Bool {
            at += 1
            let name = takeName()
            guard !name.isEmpty, path.count < XMLScanner.depthMax, !(path.isEmpty && hasRoot) else { return false }
            hasRoot = true
            path.append(name)
            texts.append([])
            var quote: UInt8?
            while at < bytes.count {
                let byte = bytes[at]
                at += 1
                if let open = quote {
                    if byte == open { quote = nil }
                } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                    quote = byte
                } else if byte == UInt8(ascii: ">") {
                    if bytes[at - 2] == UInt8(ascii: "/") { end(element) }
                    return true
                }
            }
            return false
        }

        private mutating func takeEnd(_ element: ([String], String) -> Void) -> Bool {
            at += 2
            let name = takeName()
            guard path.last == name, skip(to: ">") else { return false }
            end(element)
            return true
        }

        private mutating func end(_ element: ([String], String) -> Void) {
            element(path, String(decoding: texts.removeLast(), as: UTF8.self))
            path.removeLast()
        }
    }
}
