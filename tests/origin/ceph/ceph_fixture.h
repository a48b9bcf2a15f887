// Flights whose objects come from a bucket of radosgw's, into a root of the test's own.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "copypath/blocking_pool.h"
#include "net/mutex.h"
#include "origin/cache/shelf.h"
#include "origin/credentials/provider.h"
#include "origin/flight/flights.h"
#include "tests/copypath/pattern.h"
#include "tests/net/eventually.h"
#include "tests/origin/cache/partial_fixture.h"
#include "tests/origin/ceph/radosgw.h"
#include "tests/origin/ceph/s3_client.h"

namespace objmapper::origin::testing {

using copypath::Pattern;

// What S3 calls the ETag of an object that was stored in one piece.
inline std::string Md5Etag(absl::string_view content) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EXPECT_EQ(EVP_Digest(content.data(), content.size(), digest, &length, EVP_md5(), nullptr), 1);
  return absl::StrCat("\"", absl::BytesToHexString({reinterpret_cast<const char*>(digest), length}),
                      "\"");
}

class CephTest : public PartialTest {
 protected:
  static constexpr size_t kPart = 64 * 1024;

  void SetUp() override {
    NeedRadosGw();
    if (IsSkipped() || HasFatalFailure()) return;
    PartialTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    shelf_.emplace(&*tree_);
    options_.shelf = &*shelf_;
    gateway_ = &RadosGw::Shared();
    // The test's name, in a bucket's letters.
    bucket_.emplace(
        *gateway_, RadosGw::Admin(),
        absl::AsciiStrToLower(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    bucket_->Create();
    Use(RadosGw::Admin());

    Flights::Options options;
    options.cache = options_;
    options.fetcher = &*fetcher_.operator->();
    options.run = [this](std::function<void()> work) {
      if (before_work_) before_work_(++works_);
      pool_.Run(std::move(work));
    };
    options.s3 = [this](const Origin& origin) -> absl::StatusOr<S3Access> {
      return S3Access{MakeProvider(), {origin.region, origin.endpoint}};
    };
    flights_ = std::make_unique<Flights>(std::move(options));
    SetOrigins();
    tree_->SetRemote(flights_.get());
  }
  void TearDown() override {
    if (flights_ != nullptr) flights_->Stop();
    pool_.Stop();
  }

  // From now on what is below /far is the bucket's, or that of `bucket`.
  void SetOrigins(absl::string_view words = "parallel=4 part=64K block=64K",
                  absl::string_view bucket = "") {
    const absl::StatusOr<Origins> origins = Origins::Parse(
        absl::StrCat("/far s3://", bucket.empty() ? bucket_->bucket().name() : bucket,
                     " endpoint=", gateway_->url(), " ", words, "\n"));
    ASSERT_TRUE(origins.ok()) << origins.status();
    const absl::Status set = flights_->SetOrigins(*origins);
    ASSERT_TRUE(set.ok()) << set;
  }
  // The keys that are found by whoever looks for some from now on.
  void Use(const s3::Keys& keys) {
    const net::MutexLock lock(&mutex_);
    keys_ = keys;
  }

  static std::string UriOf(absl::string_view key) { return absl::StrCat("far/", key); }
  absl::Status Bring(absl::string_view key) {
    return storage::BringNow(flights_.get(), UriOf(key));
  }
  // What is here of that key: its file, wherever it is kept, also under a URI that the tree
  // refuses ("..").
  absl::StatusOr<storage::OpenedObject> Open(absl::string_view key) {
    absl::StatusOr<storage::OpenedObject> object =
        tree_->OpenObject(UriOf(key), storage::Wait::kMayBlock);
    return object.ok() ? std::move(object) : shelf_->OpenWhole(UriOf(key));
  }
  std::string Here(absl::string_view key) {
    const absl::StatusOr<storage::OpenedObject> object = Open(key);
    return object.ok() ? storage::ReadAll(object->fd.get()) : object.status().ToString();
  }
  std::optional<Mark> MarkOf(absl::string_view key) {
    const absl::StatusOr<storage::OpenedObject> object = Open(key);
    return object.ok() ? ReadMark(object->fd.get()) : std::nullopt;
  }
  // Has it brought, and expects it to be here.
  void ExpectBrought(absl::string_view key, const std::string& content) {
    // Soon after trouble its origin is not asked again.
    absl::Status brought;
    net::Eventually([&] {
      brought = Bring(key);
      return !absl::StrContains(brought.message(), "not asked again");
    });
    ASSERT_TRUE(brought.ok()) << brought;
    EXPECT_TRUE(Here(key) == content) << "of " << Here(key).size() << " bytes";
  }

  RadosGw* gateway_ = nullptr;
  std::optional<S3Client> bucket_;
  std::optional<Shelf> shelf_;
  // Called before each piece of a flight's work, with its number.
  std::function<void(int)> before_work_;
  std::atomic<int> works_{0};
  fetch::RunningFetcher fetcher_;
  copypath::BlockingPool pool_{2};
  std::unique_ptr<Flights> flights_;

 private:
  std::shared_ptr<Provider> MakeProvider() {
    Provider::Options options;
    options.anonymous = true;
    options.chain.environment = [this](const char* name) -> std::string {
      const net::MutexLock lock(&mutex_);
      const absl::string_view wanted = name;
      if (wanted == "AWS_ACCESS_KEY_ID") return keys_.access_key_id;
      if (wanted == "AWS_SECRET_ACCESS_KEY") return keys_.secret_access_key;
      if (wanted == "AWS_SESSION_TOKEN") return keys_.session_token;
      return wanted == "AWS_EC2_METADATA_DISABLED" ? "true" : "";
    };
    options.chain.http = [](const HttpRequest&) -> absl::StatusOr<HttpAnswer> {
      return absl::UnavailableError("there is nobody");
    };
    return std::make_shared<Provider>(std::move(options));
  }

  net::Mutex mutex_;
  s3::Keys keys_ GUARDED_BY(mutex_);
};

}  // namespace objmapper::origin::testing
