// Paths as PostgreSQL prints them: keys in quotes, operations in brackets where the order of evaluation asks for them.
import Columns
import Diagnostics

extension JSONPath {
    /// The normal form of the type jsonpath.
    var text: String {
        var out: [UInt8] = Array((isStrict ? "strict " : "").utf8)
        root.print(to: &out, isBracketed: true)
        return String(decoding: out, as: UTF8.self)
    }
}

extension JSONPath.Node {
    /// What binds stronger has a larger number; what is no operation binds strongest.
    private var strength: Int {
        switch self {
        case .or: 0
        case .and: 1
        case .compare, .startsWith: 2
        case .binary(let symbol, _, _): symbol == "+" || symbol == "-" ? 3 : 4
        case .unary: 5
        default: 6
        }
    }

    fileprivate func print(to out: inout [UInt8], isBracketed: Bool) {
        func put(_ text: String) { out.append(contentsOf: text.utf8) }
        func quote(_ bytes: [UInt8]) { bytes.withUnsafeBytes { JSONEscape.quote($0, to: &out) } }
        /// An operand, in brackets where it binds no stronger than this.
        func operand(_ node: JSONPath.Node) { node.print(to: &out, isBracketed: node.strength <= strength) }
        func infix(_ symbol: String, _ left: JSONPath.Node, _ right: JSONPath.Node) {
            if isBracketed { put("(") }
            operand(left)
            put(" \(symbol) ")
            operand(right)
            if isBracketed { put(")") }
        }
        func whole(_ head: String, _ node: JSONPath.Node, _ tail: String) {
            put(head)
            node.print(to: &out, isBracketed: false)
            put(tail)
        }
        /// What an accessor follows.
        func base(_ node: JSONPath.Node) {
            if case .literal(.number) = node { return whole("(", node, ")") }
            node.print(to: &out, isBracketed: true)
        }
        switch self {
        case .root: put("$")
        case .current: put("@")
        case .last: put("last")
        case .variable(let name):
            put("$")
            quote(Array(name.utf8))
        case .literal(let tree): tree.append(to: &out)
        case .member(let node, let key):
            base(node)
            put(".")
            quote(key)
        case .anyMember(let node):
            base(node)
            put(".*")
        case .anyElement(let node):
            base(node)
            put("[*]")
        case .descendants(let node, let low, let high):
            base(node)
            put("." + JSONPath.Node.levels(low, high))
        case .elements(let node, let items):
            base(node)
            put("[")
            for (index, item) in items.enumerated() {
                if index > 0 { put(",") }
                item.from.print(to: &out, isBracketed: false)
                if let to = item.to { whole(" to ", to, "") }
            }
            put("]")
        case .filter(let node, let condition):
            base(node)
            whole("?(", condition, ")")
        case .method(let node, let name):
            base(node)
            put(".\(name)()")
        case .unary(let symbol, let node):
            if isBracketed { put("(") }
            put(symbol)
            operand(node)
            if isBracketed { put(")") }
        case .binary(let symbol, let left, let right): infix(symbol, left, right)
        case .compare(let symbol, let left, let right): infix(symbol, left, right)
        case .and(let left, let right): infix("&&", left, right)
        case .or(let left, let right): infix("||", left, right)
        case .startsWith(let left, let right): infix("starts with", left, right)
        case .not(let node): whole("!(", node, ")")
        case .isUnknown(let node): whole("(", node, ") is unknown")
        case .exists(let node): whole("exists (", node, ")")
        case .matches(let node, let pattern, let flags):
            if isBracketed { put("(") }
            operand(node)
            put(" like_regex ")
            quote(pattern)
            // In one order, each once.
            let kept = "ismxq".filter { flags.contains($0) }
            if !kept.isEmpty { put(" flag \"\(kept)\"") }
            if isBracketed { put(")") }
        }
    }

    private static func levels(_ low: Int, _ high: Int) -> String {
        func level(_ number: Int) -> String { number == .max ? "last" : String(number) }
        if low == 0, high == .max { return "**" }
        return low == high ? "**{\(level(low))}" : "**{\(level(low)) to \(level(high))}"
    }
}
