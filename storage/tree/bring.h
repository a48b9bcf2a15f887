// What who may not wait does about an object that is not found, and may be elsewhere, or that may
// be another one there by now (remote.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/tree/remote.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

// Looks for `uri`, which has been brought, by a thread of `run`'s; what is gone again by then is no
// NOT_FOUND.
template <typename Object>
void LookAgain(const std::string& uri, std::function<absl::StatusOr<Object>()> look,
               const std::function<void(std::function<void()>)>& run,
               std::function<void(absl::StatusOr<Object>)> done) {
  run([uri, look = std::move(look), done = std::move(done)] {
    absl::StatusOr<Object> again = look();
    if (absl::IsNotFound(again.status())) again = GoneAgain(uri);
    done(std::move(again));
  });
}

// What could not be brought, and why, looked at once more: of a folder it is said that it is one,
// if there is no object of its name afar either.
template <typename Object>
void SayWhyNot(absl::Status brought, std::function<absl::StatusOr<Object>()> look,
               const std::function<void(std::function<void()>)>& run,
               std::function<void(absl::StatusOr<Object>)> done) {
  if (!absl::IsNotFound(brought)) return done(std::move(brought));
  run([brought = std::move(brought), look = std::move(look), done = std::move(done)] {
    const absl::Status here = look().status();
    done(absl::IsFailedPrecondition(here) ? here : brought);
  });
}

// Tells `done` of what `look` finds. If that is no object, but the tree's remote may have one, it
// is brought first and looked for once more, by a thread of `run`'s; what is gone again by then is
// no NOT_FOUND. What has to be checked is looked for after that alone. No thread waits for the
// remote. look: called here, and there. done: called once, here or by any thread. tree: outlives
// all of it.
template <typename Object>
void LookEverywhere(const Tree* tree, const std::string& uri,
                    std::function<absl::StatusOr<Object>()> look,
                    std::function<void(std::function<void()>)> run,
                    std::function<void(absl::StatusOr<Object>)> done) {
  if (!tree->MustCheck(uri)) {
    absl::StatusOr<Object> found = look();
    if (!MayBeFetched(*tree, uri, found.status())) return done(std::move(found));
  }
  tree->remote()->Bring(uri, [uri, look = std::move(look), run = std::move(run),
                              done = std::move(done)](absl::Status brought) {
    if (!brought.ok()) return SayWhyNot<Object>(std::move(brought), look, run, done);
    LookAgain<Object>(uri, look, run, done);
  });
}

// The same for who can read an object while it comes: then `comes` is called instead of `done`.
template <typename Object>
void FollowEverywhere(const Tree* tree, const std::string& uri, const Wanted& wanted,
                      std::function<absl::StatusOr<Object>()> look,
                      std::function<void(std::function<void()>)> run,
                      std::function<void(absl::StatusOr<Object>)> done,
                      std::function<void(std::shared_ptr<Filling>)> comes) {
  if (!tree->MustCheck(uri)) {
    absl::StatusOr<Object> found = look();
    if (!MayBeFetched(*tree, uri, found.status())) return done(std::move(found));
  }
  tree->remote()->Follow(
      uri, wanted,
      [uri, look = std::move(look), run = std::move(run), done = std::move(done),
       comes = std::move(comes)](absl::StatusOr<std::shared_ptr<Filling>> filling) {
        if (!filling.ok()) return SayWhyNot<Object>(filling.status(), look, run, done);
        if (*filling != nullptr) return comes(*std::move(filling));
        LookAgain<Object>(uri, look, run, done);
      });
}

}  // namespace objmapper::storage
