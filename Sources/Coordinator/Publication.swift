// Commits that do not come from SQL: another protocol's changes, brought onto a branch as one commit.
public import Catalogs
public import Diagnostics

extension Engine {
    /// Times that one commit tries to get onto a moving branch.
    private static let swapsMax = 100

    /// Commits to a branch what `changes` makes of its head; asked more than once, and again while others commit in
    /// between. Throws 42501
    /// for a protected branch, what `changes` throws, and 08007 when the store's answer was lost: then the commit may
    /// have happened, and its files must stay.
    public func publish(
        to branch: String, as user: String, note: CommitNote,
        _ changes: (CommitID) async throws(SQLError) -> [Change]
    ) async throws(SQLError) -> CommitID {
        let rights = try await rights(of: user)
        try rights.requireCommitting(try await changeable(branch))
        // Once beside the others: files that this writes need not be written while they wait.
        _ = try await changes(try await changeable(branch).head)
        await commits.enter(branch)
        defer { commits.leave(branch) }
        for _ in 0..<Engine.swapsMax {
            let head = try await changeable(branch).head
            let made = try await rights.permitted(try await changes(head), at: head)
            if made.isEmpty { return head }
            do throws(SQLError) {
                return try await catalog.commit(made, to: branch, expecting: head, note: note)
            } catch {
                if error.state == .serializationFailure { continue }
                // Classes of refusals: nothing was committed. Anything else may come from a commit that has happened.
                guard ["40", "42", "3F", "2B", "23"].contains(error.state.code.prefix(2)) else {
                    throw SQLError(
                        SQLState("08007"), "whether the commit has happened is not known: \(error.message)",
                        detail: error.detail)
                }
                throw error
            }
        }
        throw SQLError(
            .serializationFailure, "could not commit to branch \"\(branch)\" because of other commits",
            detail: "It was changed \(Engine.swapsMax) times in between.", hint: "The request might succeed if retried."
        )
    }

    /// A branch that may be changed: a protected one takes changes only by merge.
    public func changeable(_ branch: String) async throws(SQLError) -> NamedRef {
        guard let ref = try await catalog.ref(.branch, branch) else {
            throw SQLError(
                .wrongObjectType, "\"\(branch)\" is not a branch", hint: "Tags and commits cannot be changed.")
        }
        guard !ref.options.isProtected else {
            throw SQLError(
                .insufficientPrivilege, "branch \"\(branch)\" is protected",
                hint: "Change another branch, and MERGE BRANCH it into \"\(branch)\".")
        }
        return ref
    }
}
