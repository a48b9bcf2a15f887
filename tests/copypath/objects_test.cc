// What a loop's objects do about those that have to be compared with a remote's.
#include "copypath/objects.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/mutex.h"
#include "tests/client/temporary_folder.h"
#include "tests/net/eventually.h"
#include "tests/storage/fake_remote.h"

namespace objmapper::copypath {
namespace {

using State = CachedObject::State;

class ObjectsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(mkdir(folder_.Path("far").c_str(), 0755), 0);
    folder_.Write("far/a", "old");
    absl::StatusOr<storage::Tree> tree = storage::Tree::Open(folder_.path());
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_ = *std::move(tree);
    tree_->SetRemote(&remote_);
    objects_ = std::make_unique<Objects>(Objects::Options{.tree = &*tree_,
                                                          .pool = &pool_,
                                                          .slow_pool = &slow_pool_,
                                                          .cache_valid = absl::Hours(1)},
                                         [this](Objects::Work* work) {
                                           const net::MutexLock lock(&mutex_);
                                           done_.push_back(work);
                                         });
  }
  void TearDown() override {
    pool_.Stop();
    slow_pool_.Stop();
    TakeDone();
  }
  ObjectRef Lookup(absl::string_view uri) {
    absl::StatusOr<ObjectRef> object = objects_->Lookup(uri, /*now_ns=*/1);
    EXPECT_TRUE(object.ok()) << object.status();
    return object.ok() ? *std::move(object) : ObjectRef();
  }
  void TakeDone() {
    std::vector<Objects::Work*> done;
    {
      const net::MutexLock lock(&mutex_);
      done.swap(done_);
    }
    for (Objects::Work* work : done) objects_->Done(work, /*now_ns=*/1);
  }
  // What comes of `object` in the end.
  State Loaded(const ObjectRef& object) {
    EXPECT_TRUE(net::Eventually([&] {
      TakeDone();
      return object->state() != State::kLoading;
    }));
    return object->state();
  }
  bool IsAsked() {
    return net::Eventually([this] { return remote_.Asked().size() == 1; });
  }
  static std::string ContentOf(const ObjectRef& object) {
    return std::string(object->snapshot(), object->size());
  }

  const client::TemporaryFolder folder_;
  storage::FakeRemote remote_{folder_.path()};
  std::optional<storage::Tree> tree_;
  BlockingPool pool_{1}, slow_pool_{1};
  net::Mutex mutex_;
  std::vector<Objects::Work*> done_ GUARDED_BY(mutex_);
  std::unique_ptr<Objects> objects_;
};

// A hit asks whether it is due, once; what is due is not answered from the cache, and all who want
// it meanwhile wait for the same check.
TEST_F(ObjectsTest, ChecksWhatItHas) {
  EXPECT_EQ(ContentOf(Lookup("far/a")), "old");
  remote_.TakeQuestions();
  EXPECT_EQ(ContentOf(Lookup("far/a")), "old");
  EXPECT_EQ(remote_.TakeQuestions(), 1);
  EXPECT_EQ(objects_->counters().hits, 1u);

  remote_.SetDue("far/a", true);
  const ObjectRef first = Lookup("far/a"), second = Lookup("far/a");
  EXPECT_EQ(first->state(), State::kLoading);
  EXPECT_EQ(first.get(), second.get());
  ASSERT_TRUE(IsAsked());
  remote_.Brought("far/a", "new one");
  ASSERT_EQ(Loaded(first), State::kReady);
  EXPECT_EQ(ContentOf(first), "new one");

  // It may be due again at once.
  const ObjectRef third = Lookup("far/a");
  ASSERT_TRUE(IsAsked());
  remote_.End("far/a", absl::OkStatus());
  ASSERT_EQ(Loaded(third), State::kReady);
  EXPECT_EQ(ContentOf(third), "new one");
  remote_.SetDue("far/a", false);
  EXPECT_EQ(Lookup("far/a").get(), third.get());
}

// What could not be found out is no reason to hand out what is here, nor is it remembered.
TEST_F(ObjectsTest, SaysWhyNot) {
  EXPECT_EQ(ContentOf(Lookup("far/a")), "old");
  remote_.SetDue("far/a", true);
  for (const absl::Status& why :
       {absl::ResourceExhaustedError("out of order"), absl::NotFoundError("it is there no more")}) {
    const ObjectRef object = Lookup("far/a");
    ASSERT_TRUE(IsAsked());
    remote_.End("far/a", why);
    ASSERT_EQ(Loaded(object), State::kFailed);
    EXPECT_EQ(object->error(), why);
  }
}

// The same of what is opened for one answer alone.
TEST_F(ObjectsTest, ChecksWhatIsOpenedApart) {
  remote_.SetDue("far/a", true);
  const ObjectRef object = objects_->OpenApart("far/a");
  ASSERT_TRUE(IsAsked());
  remote_.Brought("far/a", "new");
  ASSERT_EQ(Loaded(object), State::kReady);
  EXPECT_EQ(ContentOf(object), "new");
}

}  // namespace
}  // namespace objmapper::copypath
