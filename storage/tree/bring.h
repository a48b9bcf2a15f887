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

// Whether `done` has been told of what `look` finds here: nothing of it is asked of the remote.
template <typename Object>
bool ToldOfHere(const Tree& tree, absl::string_view uri,
                const std::function<absl::StatusOr<Object>()>& look,
                const std::function<void(absl::StatusOr<Object>)>& done) {
  if (tree.MustCheck(uri)) return false;
  absl::StatusOr<Object> found = look();
  if (MayBeFetched(tree, uri, found.status())) return false;
  done(std::move(found));
  return true;
}

// Tells `done` what AfterBringing() says, having looked once more by a thread of `run`'s. Why it
// could not be brought, though there may be one, is told at once.
template <typename Object>
void LookAgain(const std::string& uri, absl::Status brought,
               std::function<absl::StatusOr<Object>()> look,
               const std::function<void(std::function<void()>)>& run,
               std::function<void(absl::StatusOr<Object>)> done) {
  if (!brought.ok() && !absl::IsNotFound(brought)) return done(std::move(brought));
  run([uri, brought = std::move(brought), look = std::move(look), done = std::move(done)] {
    done(AfterBringing(uri, brought, look()));
  });
}

// What `look` finds here, if that may be handed out without the remote; else OnlyElsewhere().
template <typename Object>
absl::StatusOr<Object> LookHere(const Tree& tree, absl::string_view uri,
                                const std::function<absl::StatusOr<Object>()>& look) {
  if (tree.MustCheck(uri)) return OnlyElsewhere(uri);
  absl::StatusOr<Object> found = look();
  if (MayBeFetched(tree, uri, found.status())) return OnlyElsewhere(uri);
  return found;
}

// What LookEverywhere() and FollowEverywhere() do with what is not ToldOfHere().
template <typename Object>
void BringAndLook(const Tree* tree, const std::string& uri,
                  std::function<absl::StatusOr<Object>()> look,
                  std::function<void(std::function<void()>)> run,
                  std::function<void(absl::StatusOr<Object>)> done) {
  tree->remote()->Bring(uri, [uri, look = std::move(look), run = std::move(run),
                              done = std::move(done)](absl::Status brought) {
    LookAgain<Object>(uri, std::move(brought), look, run, done);
  });
}
template <typename Object>
void FollowAndLook(const Tree* tree, const std::string& uri, const Wanted& wanted,
                   std::function<absl::StatusOr<Object>()> look,
                   std::function<void(std::function<void()>)> run,
                   std::function<void(absl::StatusOr<Object>)> done,
                   std::function<void(std::shared_ptr<Filling>)> comes) {
  tree->remote()->Follow(
      uri, wanted,
      [uri, look = std::move(look), run = std::move(run), done = std::move(done),
       comes = std::move(comes)](absl::StatusOr<std::shared_ptr<Filling>> filling) {
        if (filling.ok() && *filling != nullptr) return comes(*std::move(filling));
        LookAgain<Object>(uri, filling.status(), look, run, done);
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
  if (ToldOfHere<Object>(*tree, uri, look, done)) return;
  BringAndLook<Object>(tree, uri, std::move(look), std::move(run), std::move(done));
}

// The same for who can read an object while it comes: then `comes` is called instead of `done`.
template <typename Object>
void FollowEverywhere(const Tree* tree, const std::string& uri, const Wanted& wanted,
                      std::function<absl::StatusOr<Object>()> look,
                      std::function<void(std::function<void()>)> run,
                      std::function<void(absl::StatusOr<Object>)> done,
                      std::function<void(std::shared_ptr<Filling>)> comes) {
  if (ToldOfHere<Object>(*tree, uri, look, done)) return;
  FollowAndLook<Object>(tree, uri, wanted, std::move(look), std::move(run), std::move(done),
                        std::move(comes));
}

}  // namespace objmapper::storage
