// Threads and keys of origins. Invariant: who waits for the disk or for keys does so in the pool,
// never on the thread that speaks with origins.
#include "server/origin_side.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "origin/credentials/profile.h"
#include "origin/credentials/provider.h"
#include "origin/flight/http_call.h"
#include "server/checks.h"

namespace objmapper::server {
namespace {

// Threads that write what comes: as many as a disk can be kept busy with, started as they are
// needed. One more hangs for each origin whose keys do not come.
constexpr int kThreadsMax = 16;

origin::fetch::Options FetcherOptions() {
  origin::fetch::Options options;
  origin::fetch::AddEnvironment(&options);
  return options;
}

origin::Flights::Options FlightsOptions(
    const Config& config, const OriginSide::Parts& parts, origin::fetch::Fetcher* fetcher,
    copypath::BlockingPool* pool,
    std::function<absl::StatusOr<origin::S3Access>(const origin::Origin&)> access) {
  origin::Flights::Options options;
  options.cache.tree = parts.tree;
  options.cache.store = parts.store;
  options.cache.house = parts.house;
  options.cache.shelf = parts.shelf;
  options.cache.durability = config.store.durability;
  options.fetcher = fetcher;
  options.run = [pool](std::function<void()> work) { pool->Run(std::move(work)); };
  options.uncached_max = config.origin_uncached_bytes;
  options.s3 = std::move(access);
  return options;
}

}  // namespace

OriginSide::OriginSide(const Config& config, const Parts& parts)
    : config_(config),
      parts_(parts),
      control_({parts.tree, parts.store, parts.house, parts.shelf}),
      fetcher_(FetcherOptions()),
      pool_(/*threads=*/0, "origin", kThreadsMax),
      flights_(FlightsOptions(config, parts, &fetcher_, &pool_,
                              [this](const origin::Origin& origin) { return AccessTo(origin); })) {}

absl::StatusOr<std::unique_ptr<OriginSide>> OriginSide::Make(const Config& config,
                                                             const Parts& parts) {
  if (absl::Status kept = CheckKeeping(config, *parts.tree); !kept.ok()) return kept;
  auto side = std::unique_ptr<OriginSide>(new OriginSide(config, parts));
  if (absl::Status set = side->flights_.SetOrigins(config.origins); !set.ok())
    return OfFlag(config.OriginsFlag(), set);
  {
    const net::MutexLock lock(&side->mutex_);
    side->figures_.count = config.origins.all().size();
  }
  parts.tree->SetRemote(&side->flights_);
  return side;
}

absl::StatusOr<origin::S3Access> OriginSide::AccessTo(const origin::Origin& of) {
  const origin::Environment environment = origin::ProcessEnvironment();
  const absl::StatusOr<origin::Profile> profile = origin::LoadProfile(environment, of.profile);
  if (!profile.ok()) return profile.status();
  absl::StatusOr<origin::Place> place =
      origin::PlaceOf(environment, *profile, {of.region, of.endpoint});
  if (!place.ok()) return place.status();
  origin::Provider::Options options;
  options.chain.environment = environment;
  options.chain.http = origin::CallBy(&fetcher_);
  options.chain.profile = of.profile;
  options.chain.region = place->region;
  options.anonymous = of.anonymous;
  return origin::S3Access{std::make_shared<origin::Provider>(std::move(options)),
                          *std::move(place)};
}

OriginSide::~OriginSide() { Stop(); }

void OriginSide::Start() {
  fetcher_.Start();
  running_ = true;
  // Before anybody asks: else what is here under an encoded name would be fetched again.
  const absl::StatusOr<origin::Scanned> scanned = parts_.shelf->Load();
  if (!scanned.ok()) {
    LOG(ERROR) << "origins: what is here of them cannot be looked at: "
               << scanned.status().message();
  } else if (!scanned->found.empty() || scanned->removed > 0) {
    LOG(INFO) << "origins: " << scanned->found.size()
              << " objects are here in part or under encoded names; removed " << scanned->removed
              << " files of no use";
  }
  for (const auto& origin : config_.origins.all()) LOG(INFO) << "origin: " << *origin;
}

absl::StatusOr<size_t> OriginSide::ReadAgain() {
  if (config_.origins_file.empty())
    return absl::FailedPreconditionError("there is no --origins_file to read again");
  absl::StatusOr<origin::Origins> origins = origin::Origins::Load(config_.origins_file);
  absl::Status set = origins.status();
  if (origins.ok()) set = flights_.SetOrigins(*origins);
  const net::MutexLock lock(&mutex_);
  if (!set.ok()) {
    figures_.error = std::string(set.message());
    ++figures_.reloads_failed;
    return set;
  }
  figures_.error.clear();
  figures_.count = origins->all().size();
  ++figures_.reloads;
  return figures_.count;
}

void OriginSide::Stop() {
  flights_.Stop();
  if (std::exchange(running_, false)) fetcher_.Stop();
  pool_.Stop();
}

Vitals::Origins OriginSide::Read() const {
  Vitals::Origins figures;
  {
    const net::MutexLock lock(&mutex_);
    figures = figures_;
  }
  figures.flights = flights_.Read();
  figures.each = flights_.ReadOrigins();
  figures.uncached = flights_.ReadUncached();
  figures.shelf_bytes = parts_.shelf->bytes();
  figures.requests_running = fetcher_.running();
  figures.requests_waiting = fetcher_.waiting();
  return figures;
}

}  // namespace objmapper::server
