// The counts that operators see, each with its name in /metrics, its help there, and its key in
// /stats. Names, keys and units are an interface: dashboards, alerts, the status page and
// `objmapper top` depend on them.
#pragma once

#include <cstdint>

#include "net/expendable.h"
#include "server/admin/vitals.h"
#include "storage/catalog/housekeeping.h"
#include "storage/memory/memory_tier.h"

namespace objmapper::server {

// A count among the counts `Of`.
template <typename Of>
struct Figure {
  const char* key;     // in /stats; null: it is not there
  const char* metric;  // in /metrics; null: it is not there. A counter's ends with _total
  const char* help;
  uint64_t Of::*value;
};

inline constexpr Figure<Vitals::Lane> kLaneFigures[] = {
    {"queue_depth", "objmapper_queue_depth",
     "Connections or requests that wait for one of a lane's threads.", &Vitals::Lane::queue_depth},
    {"splice_threads", nullptr, nullptr, &Vitals::Lane::splice_threads},
    {"cache_hits", "objmapper_object_cache_hits_total", "Requests whose object was known and open.",
     &Vitals::Lane::cache_hits},
    {"cache_misses", "objmapper_object_cache_misses_total",
     "Requests whose object had to be opened.", &Vitals::Lane::cache_misses},
    {"page_ins", "objmapper_page_ins_total", "Windows of objects that were not in the page cache.",
     &Vitals::Lane::page_ins},
    {"page_ins_pending", "objmapper_page_ins_pending", "Windows that are being read from the disk.",
     &Vitals::Lane::page_ins_pending},
    {"transfers", "objmapper_transfers_total", "Times that a body was handed to a splice thread.",
     &Vitals::Lane::transfers},
    {"transfers_pending", "objmapper_transfers_pending",
     "Bodies that splice threads are moving or that wait for one.",
     &Vitals::Lane::transfers_pending},
};

inline constexpr Figure<Vitals> kConnectionFigures[] = {
    {"open", "objmapper_connections_open", "Connections that are open.", &Vitals::connections_open},
    {"hot", "objmapper_connections_hot",
     "Of the open ones, those that sent something in the last second.", &Vitals::connections_hot},
    {"max", "objmapper_connections_max", "--max_connections.", &Vitals::connections_max},
    {"accepted", "objmapper_connections_accepted_total", "Connections that were accepted.",
     &Vitals::accepted},
    {"refused", "objmapper_connections_refused_total",
     "Refused connections: beyond --max_connections, or no descriptors left.", &Vitals::refused},
    {"timed_out", "objmapper_connections_timed_out_total",
     "Connections closed because of silence, an incomplete request, or unread answers.",
     &Vitals::timed_out},
    {"migrated", "objmapper_connections_migrated_total",
     "Moves of a connection to another lane after its first request.", &Vitals::migrated},
};

inline constexpr Figure<Vitals> kIndexFigures[] = {
    {"hits", "objmapper_index_hits_total", "OP_STAT answered from the cache.", &Vitals::index_hits},
    {"misses", "objmapper_index_misses_total", "OP_STAT answered from the file system.",
     &Vitals::index_misses},
};

inline constexpr Figure<Vitals::Udp> kUdpFigures[] = {
    {"received", "objmapper_udp_received_total", "Datagrams received.", &Vitals::Udp::received},
    {"dropped", "objmapper_udp_dropped_total",
     "Datagrams that were not a request, and got no answer.", &Vitals::Udp::dropped},
    {"answered", "objmapper_udp_answered_total", "Datagrams sent.", &Vitals::Udp::answered},
    {"too_large", "objmapper_udp_too_large_total",
     "Answers that did not fit --udp_max_payload: TOO_LARGE was sent.", &Vitals::Udp::too_large},
    {"errors", "objmapper_udp_errors_total",
     "Answers that the kernel did not accept, and failures to receive.", &Vitals::Udp::errors},
    {"cold", "objmapper_udp_cold_total", "Requests that had to wait for the disk.",
     &Vitals::Udp::cold},
    {"cold_pending", "objmapper_udp_cold_pending", "Requests that wait for the disk now.",
     &Vitals::Udp::cold_waiting},
    {"bytes_in", "objmapper_udp_received_bytes_total", "Bytes of the datagrams received.",
     &Vitals::Udp::bytes_in},
    {"bytes_out", "objmapper_udp_sent_bytes_total", "Bytes of the datagrams sent.",
     &Vitals::Udp::bytes_out},
};

using ObjectCounts = storage::Housekeeping::Counts;
inline constexpr Figure<ObjectCounts> kObjectFigures[] = {
    {"objects", "objmapper_objects", "Objects in the catalog.", &ObjectCounts::objects},
    {"bytes", "objmapper_objects_bytes", "Their sizes.", &ObjectCounts::bytes},
    {"pinned_bytes", "objmapper_objects_pinned_bytes",
     "Sizes of the objects, and parts of objects, that are not to be evicted.",
     &ObjectCounts::pinned_bytes},
    {"folders_watched", "objmapper_catalog_folders_watched",
     "Directories in which changes are followed.", &ObjectCounts::watched},
    {"folders_unwatched", "objmapper_catalog_folders_unwatched",
     "Directories that are read every --catalog_rescan instead.", &ObjectCounts::unwatched},
    {"rescans", "objmapper_catalog_rescans_total",
     "Number of times that directories were read again.", &ObjectCounts::rescans},
    {"expired", "objmapper_objects_expired_total", "Objects removed because they had expired.",
     &ObjectCounts::expired},
    {"evicted", "objmapper_objects_evicted_total",
     "Objects removed to make room (--disk_evict_at).", &ObjectCounts::evicted},
    {"evicted_bytes", "objmapper_objects_evicted_bytes_total", "Their sizes.",
     &ObjectCounts::evicted_bytes},
    {"refused", "objmapper_stores_refused_total",
     "Objects refused for lack of room (--disk_refuse_at).", &ObjectCounts::refused},
    {"disk_used_bytes", "objmapper_disk_used_bytes",
     "Bytes that count against --disk_evict_at and --disk_refuse_at.", &ObjectCounts::used_bytes},
    {"disk_evict_at_bytes", "objmapper_disk_evict_at_bytes",
     "--disk_evict_at in bytes; 0: not set.", &ObjectCounts::evict_at_bytes},
    {"disk_refuse_at_bytes", "objmapper_disk_refuse_at_bytes",
     "--disk_refuse_at in bytes; 0: not set.", &ObjectCounts::refuse_at_bytes},
    {"unlinked_files", "objmapper_unlinked_files",
     "Files that the server has deleted and that are still open.", &ObjectCounts::unlinked},
    {"unlinked_bytes", "objmapper_unlinked_bytes", "Bytes that they take on the disk.",
     &ObjectCounts::unlinked_bytes},
    {"unlinked_untold", "objmapper_unlinked_untold_total",
     "Such files beyond those that are counted, since the start.", &ObjectCounts::unlinked_untold},
};

using MemoryCounts = storage::MemoryTier::Counts;
inline constexpr Figure<MemoryCounts> kMemoryFigures[] = {
    {"objects", "objmapper_memory_objects", "Objects in memory.", &MemoryCounts::objects},
    {"bytes", "objmapper_memory_bytes", "Their sizes in whole pages.", &MemoryCounts::bytes},
    {"max_bytes", "objmapper_memory_max_bytes", "--memory_limit.", &MemoryCounts::bytes_max},
    {"hits", "objmapper_memory_hits_total", "Opens of objects in memory.", &MemoryCounts::hits},
    {"misses", "objmapper_memory_misses_total", "Opens of objects that were not in memory.",
     &MemoryCounts::misses},
    {"adoptions", "objmapper_memory_adoptions_total", "Sealed memfds that became objects.",
     &MemoryCounts::adoptions},
    {"refusals", "objmapper_memory_refusals_total",
     "Sealed memfds that were copied to the disk: too large, or not possible to open.",
     &MemoryCounts::refusals},
    {"evictions", "objmapper_memory_evictions_total", "Objects evicted to make room.",
     &MemoryCounts::evictions},
    {"expired", "objmapper_memory_expired_total", "Objects removed because they had expired.",
     &MemoryCounts::expired},
};

using FlightCounts = origin::Flights::Counts;
inline constexpr Figure<FlightCounts> kFlightFigures[] = {
    {"begun", "objmapper_origin_fetches_total", "Objects that were begun to be fetched.",
     &FlightCounts::begun},
    {"brought", "objmapper_origin_fetched_total", "Objects that were fetched.",
     &FlightCounts::brought},
    {"absent", "objmapper_origin_absent_total", "Objects that their origin did not have.",
     &FlightCounts::absent},
    {"failed", "objmapper_origin_failed_total", "Fetches and checks that failed.",
     &FlightCounts::failed},
    {"checked", "objmapper_origin_checked_total",
     "Objects of which their origin was asked whether they are still the same.",
     &FlightCounts::checked},
    {"unchanged", "objmapper_origin_unchanged_total", "Of them, those that were.",
     &FlightCounts::unchanged},
    {"removed", "objmapper_origin_removed_total",
     "Objects that were removed since their origin has them no more.", &FlightCounts::removed},
    {"stale", "objmapper_origin_stale_total",
     "Times that an object was good enough for a while since its origin could not be asked.",
     &FlightCounts::stale},
    {"held_off", "objmapper_origin_held_off_total",
     "Times that an origin was not asked again so soon after it had failed.",
     &FlightCounts::held_off},
    {"no_room", "objmapper_origin_no_room_total",
     "Times that there was no room to keep an object that was being fetched.",
     &FlightCounts::no_room},
    {"stored", "objmapper_origin_stored_total", "Objects that clients have stored at their origin.",
     &FlightCounts::stored},
    {"deleted", "objmapper_origin_deleted_total",
     "Objects that clients have deleted at their origin.", &FlightCounts::deleted},
    {"refused", "objmapper_origin_change_failed_total",
     "Changes that an origin has refused, or that failed on the way to it.",
     &FlightCounts::refused},
    {"under_way", "objmapper_origin_fetching",
     "Objects that are being fetched, checked or changed.", &FlightCounts::under_way},
    {"waiting", "objmapper_origin_waiting", "Requests that wait for one of them.",
     &FlightCounts::waiting},
};
// Of one origin, whose prefix is the label "origin".
using AccountCounts = origin::Account::Counts;
inline constexpr Figure<AccountCounts> kAccountFigures[] = {
    {"part_hits", "objmapper_origin_part_hits_total",
     "Requests that waited for the origin, and a part of the object was here.",
     &AccountCounts::part},
    {"misses", "objmapper_origin_misses_total",
     "Requests that waited for the origin, and nothing of the object was here.",
     &AccountCounts::nothing},
    {"compared", "objmapper_origin_compared_total",
     "Requests that waited until what is here had been compared with what the origin has.",
     &AccountCounts::whole},
    {"bytes", "objmapper_origin_received_bytes_total", "Bytes of objects that the origin has sent.",
     &AccountCounts::bytes},
    {"http_requests", "objmapper_origin_http_requests_total",
     "Requests of HTTP that the origin was sent.", &AccountCounts::attempts},
    {"evicted", "objmapper_origin_evicted_total",
     "Its objects, and parts of objects, that were removed to make room.", &AccountCounts::evicted},
    {"evicted_bytes", "objmapper_origin_evicted_bytes_total", "Their sizes.",
     &AccountCounts::evicted_bytes},
};
inline constexpr Figure<origin::Flights::Report> kReportFigures[] = {
    {"under_way", "objmapper_origin_flights",
     "Of the origin's objects, those that are being fetched or checked.",
     &origin::Flights::Report::under_way},
    {"waiting", "objmapper_origin_waiters", "Requests that wait for one of them.",
     &origin::Flights::Report::waiting},
};
using UncachedCounts = origin::Uncached::Counts;
inline constexpr Figure<UncachedCounts> kUncachedFigures[] = {
    {"uncached", "objmapper_origin_uncached_total",
     "Bodies, or parts of them, that went from an origin to a client without being kept.",
     &UncachedCounts::opened},
    {"uncached_bytes", "objmapper_origin_uncached_bytes_total", "Bytes that origins sent for them.",
     &UncachedCounts::bytes},
    {"uncached_refused", "objmapper_origin_uncached_refused_total",
     "Those that were refused since others had all of --origin_uncached_bytes.",
     &UncachedCounts::refused},
    {"uncached_open", "objmapper_origin_uncached_open", "Those that are being sent.",
     &UncachedCounts::open},
    {"uncached_window_bytes", "objmapper_origin_uncached_window_bytes",
     "Memory that is set aside for them.", &UncachedCounts::window_bytes},
};
inline constexpr Figure<Vitals::Origins> kOriginFigures[] = {
    {"count", "objmapper_origins", "Origins that are in use.", &Vitals::Origins::count},
    {"shelf_bytes", "objmapper_origin_shelf_bytes",
     "Bytes on the disk of objects that are here in part, or under encoded names.",
     &Vitals::Origins::shelf_bytes},
    {"requests_running", "objmapper_origin_requests_running",
     "Requests that origins are answering.", &Vitals::Origins::requests_running},
    {"requests_waiting", "objmapper_origin_requests_waiting",
     "Requests that wait for a connection to an origin, or for their next attempt.",
     &Vitals::Origins::requests_waiting},
};

// The file system of --root.
inline constexpr Figure<Vitals> kDiskFigures[] = {
    {"bytes", "objmapper_root_size_bytes", "Size of the file system that --root is on.",
     &Vitals::disk_bytes},
    {"available_bytes", "objmapper_root_available_bytes",
     "Bytes of it that are available to users other than root.", &Vitals::disk_available_bytes},
};

using ForeignCounts = net::ExpendableCounts;
inline constexpr Figure<ForeignCounts> kForeignFigures[] = {
    {nullptr, "objmapper_foreign_fds_total",
     "Clients' descriptors, and sockets that may hold some, passed to processes that may hang.",
     &ForeignCounts::disposed},
    {nullptr, "objmapper_foreign_fds_waiting",
     "Of these, not passed yet because all such processes hang; above a limit, none are accepted.",
     &ForeignCounts::waiting},
    {nullptr, "objmapper_foreign_tasks_total", "Examinations and copies of clients' files.",
     &ForeignCounts::tasks},
    {nullptr, "objmapper_foreign_tasks_late_total",
     "Of these, not complete within --request_timeout.", &ForeignCounts::tasks_late},
    {nullptr, "objmapper_foreign_workers", "Such processes.", &ForeignCounts::workers},
    {nullptr, "objmapper_foreign_workers_stuck", "Of these, not ended although they were killed.",
     &ForeignCounts::stuck},
    {nullptr, "objmapper_foreign_workers_killed_total",
     "Of these, killed because they took too long.", &ForeignCounts::killed},
};

inline constexpr Figure<Vitals> kTroubleFigures[] = {
    {nullptr, "objmapper_log_lines_dropped_total",
     "Lines of the log that were lost because its reader was too slow or the disk full.",
     &Vitals::log_lines_dropped},
    {nullptr, "objmapper_access_log_lines_dropped_total",
     "Lines of --http_access_log that were lost because writing was too slow or failed.",
     &Vitals::access_lines_dropped},
    {nullptr, "objmapper_slow_opens_total",
     "Opens that took 100 ms or more although the path was in the kernel's caches.",
     &Vitals::slow_opens},
    {nullptr, "objmapper_slow_file_systems",
     "File systems whose files are opened by separate threads because opening takes long.",
     &Vitals::slow_file_systems},
};

inline constexpr Figure<Vitals::Process> kProcessFigures[] = {
    {"rss_bytes", "process_resident_memory_bytes", "Resident memory.", &Vitals::Process::rss_bytes},
    {"open_fds", "process_open_fds", "Open descriptors.", &Vitals::Process::open_fds},
    {"max_fds", "process_max_fds", "Maximum number of descriptors.", &Vitals::Process::max_fds},
    {"threads", "process_threads", "Threads.", &Vitals::Process::threads},
};

}  // namespace objmapper::server
