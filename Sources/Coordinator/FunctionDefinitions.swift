// CREATE FUNCTION ... LANGUAGE sql, and DROP FUNCTION. Bodies are text: they are bound where the function is called.
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

extension Session {
    func createFunction(_ create: ObjectStatement.CreateFunction) async throws(SQLError) -> any ResultStream {
        let word = create.isProcedure ? "PROCEDURE" : "FUNCTION"
        let definition = try definition(of: create)
        let place = try await newPlace(create.name)
        let key = TableName.object(.function, schema: place.name.schema, name: place.name.name)
        var all: [FunctionDefinition] = []
        if case .object(.functions(let known))? = try await entry(at: NewPlace(name: key, branch: place.branch)) {
            all = known
            try requireOwner(of: .object(.functions(known)), at: NewPlace(name: key, branch: place.branch))
        }
        let types = try Session.types(of: definition)
        for (index, known) in all.enumerated() where try Session.types(of: known) == types {
            guard create.orReplace else {
                throw SQLError(
                    SQLState("42723"),
                    "function \"\(create.name.last)\" already exists with same argument types",
                    position: create.name.position)
            }
            guard known.isProcedure == definition.isProcedure else {
                throw SQLError(.wrongObjectType, "cannot change routine kind", position: create.name.position)
            }
            guard known.returnType == definition.returnType, known.isSet == definition.isSet else {
                throw SQLError(
                    SQLState("42P13"), "cannot change return type of existing function",
                    hint: "Use DROP FUNCTION \(create.name.text) first.", position: create.name.position)
            }
            all.remove(at: index)
            break
        }
        var made = definition
        made.owner = all.isEmpty ? newOwner : all[0].owner
        all.append(made)
        let functions = all
        try record(key, place.branch) { $0.put(key, .object(.functions(functions))) }
        return done("CREATE \(word)")
    }

    private static func types(of definition: FunctionDefinition) throws(SQLError) -> [String] {
        definition.parameters.map { $0.type.lowercased() }
    }

    private func definition(of create: ObjectStatement.CreateFunction) throws(SQLError) -> FunctionDefinition {
        let at = create.name.position
        switch create.language {
        case "sql": break
        case "" where create.body != nil && create.returns == nil && create.columns.isEmpty: break
        case "":
            throw SQLError(SQLState("42P13"), "no language specified", position: at)
        case "plpgsql", "c", "internal":
            throw SQLError(
                .featureNotSupported, "functions in language \"\(create.language)\" are not supported",
                hint: "Write it in LANGUAGE sql.", position: at)
        default:
            throw SQLError(
                .undefinedObject, "language \"\(create.language)\" does not exist", position: at)
        }
        guard let body = create.body else {
            throw SQLError(SQLState("42P13"), "no function body specified", position: at)
        }
        var inputs: [FunctionDefinition.Parameter] = []
        var outputs: [FunctionDefinition.Parameter] = []
        for parameter in create.parameters {
            let type = try Session.canonical(parameter.type, parameter.typeText)
            let one = FunctionDefinition.Parameter(
                name: parameter.name?.value ?? "", type: type, defaultValue: parameter.defaultValue)
            if parameter.mode != .output { inputs.append(one) }
            if parameter.mode != .input { outputs.append(one) }
        }
        for (index, parameter) in inputs.enumerated() where !parameter.name.isEmpty {
            guard !inputs[..<index].contains(where: { $0.name == parameter.name }) else {
                throw SQLError(
                    SQLState("42P13"), "parameter name \"\(parameter.name)\" used more than once", position: at)
            }
        }
        for column in create.columns {
            outputs.append(
                FunctionDefinition.Parameter(
                    name: column.name?.value ?? "", type: try Session.canonical(column.type, column.typeText)))
        }
        var returns = try create.returns.map { (type) throws(SQLError) in
            try Session.canonical(type, create.returnsText ?? type.name)
        }
        if returns == nil, outputs.count == 1, create.columns.isEmpty { returns = outputs[0].type }
        if returns == nil, outputs.isEmpty, !create.isProcedure {
            throw SQLError(SQLState("42P13"), "function result type must be specified", position: at)
        }
        do throws(SQLError) { _ = try Parser.parse(body) } catch { throw error.at(nil) }
        return FunctionDefinition(
            parameters: inputs, returnType: returns,
            columns: outputs.count > 1 || !create.columns.isEmpty ? outputs : [],
            isSet: create.isSet, isStrict: create.isStrict, isProcedure: create.isProcedure, body: body,
            searchPath: settings.searchPath)
    }

    /// A type as format_type prints it; polymorphic ones, void and record as they are, names of tables too.
    private static func canonical(_ type: TypeName, _ text: String) throws(SQLError) -> String {
        if Session.pseudoTypes.contains(type.name) { return type.name }
        guard let known = try? TypeNames.type(type) else {
            let isPlain = type.modifiers.isEmpty && type.arrayDimensions == 0
            guard isPlain else { return try TypeNames.type(type).name }
            return text
        }
        return known.name
    }

    static let pseudoTypes: Set<String> = ["void", "record", "anyelement", "anyarray", "anynonarray"]

    func dropFunction(
        _ kind: ObjectStatement.Kind, _ dropped: ObjectStatement.Dropped, _ ifExists: Bool
    ) async throws(SQLError) {
        let name = dropped.name
        var pinned = transaction?.pinned ?? [:]
        let found = try await resolver(planContext()).object(.function, name, currentTransaction, &pinned)
        transaction?.pinned = pinned
        var all: [FunctionDefinition] = []
        if case .object(.functions(let known))? = found?.entry { all = known }
        var wanted: [String]?
        if let arguments = dropped.arguments {
            var types: [String] = []
            for type in arguments { types.append((try? TypeNames.type(type).name) ?? type.name) }
            wanted = types
        }
        let matching = all.indices.filter { index in
            guard kind == .routine || all[index].isProcedure == (kind == .procedure) else { return false }
            return wanted == nil || wanted == all[index].parameters.map(\.type)
        }
        guard let first = matching.first, let found else {
            let arguments = wanted.map { "(\($0.joined(separator: ", ")))" } ?? "()"
            let what = wanted == nil ? "\"\(name.text)\"" : "\(name.text)\(arguments)"
            guard ifExists else {
                let message =
                    wanted == nil
                    ? "could not find a \(kind.rawValue) named \(what)" : "\(kind.rawValue) \(what) does not exist"
                throw SQLError(.undefinedFunction, message, position: name.position)
            }
            return try missing("\(kind.rawValue) \(name.text)\(arguments)", .undefinedFunction, true, name.position)
        }
        guard matching.count == 1 else {
            throw SQLError(
                SQLState("42725"), "\(kind.rawValue) name \"\(name.text)\" is not unique",
                hint: "Specify the argument list to select the \(kind.rawValue) unambiguously.",
                position: name.position)
        }
        try requireOwner(of: found.entry, at: NewPlace(name: found.name, branch: found.branch))
        all.remove(at: first)
        let (key, left) = (found.name, all)
        try record(key, try await requireBranch(.named(found.branch ?? branch))) {
            if left.isEmpty { $0.drop(key) } else { $0.put(key, .object(.functions(left))) }
        }
    }
}
