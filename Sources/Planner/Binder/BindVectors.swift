// Vectors of the catalog (indkey) used as arrays, and the set-returning functions over subscripts that clients call.
import Columns
import Diagnostics
import Functions

extension QueryBinder {
    /// A vector as the array that functions and operators take; anything else as it is.
    func arrayed(_ typed: Typed) throws(SQLError) -> Typed {
        guard case .system(let type) = typed.type, let array = type.vector else { return typed }
        return Typed(try coerce(typed, to: array), typed.position)
    }

    /// `array[index]`; vectors count from 0.
    func subscripted(_ array: Typed, _ index: Typed, _ at: Int?) throws(SQLError) -> Expr {
        if array.type == .system(.name) {
            // name[0] is its first byte: names are arrays of "char" that count from 0.
            let place = Typed(try operation("+", index, Typed(.literal(.int4(1)), at), at), at)
            let text = Typed(try coerce(array, to: .text, .explicit), at)
            let byte = try call("substr", [text, place, Typed(.literal(.int4(1)), at)], at)
            return try coerce(Typed(byte, at), to: .system(.char), .explicit)
        }
        if array.type.isCharacters || array.isString {
            // DuckDB's character of a text.
            return try macroCall("text_slice", [array, index, index], at) ?? .literal(.null(.text))
        }
        if array.type == .jsonb {
            let step = index.isOpen ? index : Typed(try coerce(index, to: .text, .explicit), at)
            return try call("jsonb_subscript", [array, step], at)
        }
        if array.type.rowFields != nil, case .literal(let scalar) = index.expr, case .string(let name) = scalar.value {
            return try field(name, of: array, at)
        }
        guard case .system(let type) = array.type, type.vector != nil else {
            return try call(QueryBinder.subscriptFunction, [array, index], at)
        }
        let next = Typed(try operation("+", index, Typed(.literal(.int4(1)), at), at), at)
        return try call(QueryBinder.subscriptFunction, [try arrayed(array), next], at)
    }

    /// Functions that are unnest() of something else.
    static let subscriptSets: Set<String> = ["generate_subscripts", "_pg_expandarray"]

    /// What `generate_subscripts(a, 1)` and `_pg_expandarray(a)` are unnest() of.
    func subscriptArrays(_ name: String, _ bound: [Typed], _ at: Int?) throws(SQLError) -> [Typed] {
        guard let array = bound.first,
            name == "_pg_expandarray" ? bound.count == 1 : bound.count == 2 || bound.count == 3
        else { return bound }
        let first: Int32
        if case .system(let type) = array.type, type.vector != nil { first = 0 } else { first = 1 }
        let flat = try arrayed(array)
        if name == "_pg_expandarray" {
            // Its numbers count from 1 whatever the array's bounds are.
            return [Typed(try call("array_pairs", [flat], at), at)]
        }
        let subscripts = try call(
            "array_subscripts", [flat, bound[1], Typed(.literal(.int4(first)), at)], at)
        guard bound.count == 3 else { return [Typed(subscripts, at)] }
        let reversed = Typed(try call("array_reversed", [Typed(subscripts, at)], at), at)
        let isReverse = try coerce(bound[2], to: .boolean)
        return [Typed(.conditional([(isReverse, reversed.expr)], otherwise: subscripts, .array(.int4)), at)]
    }

    /// `(keys).x` and `(keys).n` of what _pg_expandarray gave; nil for other fields.
    func pairPart(_ name: String, of value: Typed, _ at: Int?) throws(SQLError) -> Expr? {
        guard case .array = value.type, let index = ["x": Int32(1), "n": 2][name] else { return nil }
        let part = try call(QueryBinder.subscriptFunction, [value, Typed(.literal(.int4(index)), at)], at)
        return name == "n" ? try coerce(Typed(part, at), to: .int4, .explicit) : part
    }

    /// `t.tableoid`: the number of the table that a FROM item names; nil for other items.
    func tableNumber(_ item: Scope.Item, _ at: Int?) throws(SQLError) -> Expr? {
        guard let table = item.table else { return nil }
        func quoted(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }
        let text = (item.schema.map { quoted($0) + "." } ?? "") + quoted(table)
        let named = try coerce(Typed(.literal(Scalar(.unknown, .string(text))), at), to: .system(.regclass), .explicit)
        return try coerce(Typed(named, at), to: .system(.oid))
    }
}

extension SQLType {
    /// Whether this is a declared string type: names of the catalog and untyped literals are none.
    var isCharacters: Bool {
        switch self {
        case .text, .varchar, .char: true
        default: false
        }
    }
}

extension Typed {
    /// Whether this is an untyped literal that cannot be an array.
    var isString: Bool {
        guard type == .unknown, case .string(let text)? = literal?.value else { return false }
        return !text.contains("{") && !text.contains("[")
    }
}
