// The store's one file, shared by the parts that implement its interfaces.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "connections.hpp"
#include "umbel/sqlite/checkpointer.hpp"

namespace umbel::store_sqlite {

inline constexpr std::int32_t kStoreApplicationId = 0x556D6253;  // `UmbS`
inline constexpr std::size_t kIdleReaders = 8;

struct StoreFile {
  StoreFile(std::string file, bool full_sync, std::unique_ptr<SQLite::Database> database,
            Writer::Open open_again)
      : path{std::move(file)},
        checkpointer{path, {.full_sync = full_sync}},
        writer{watched(std::move(database)), std::move(open_again)},
        readers{path, kIdleReaders} {}

  [[nodiscard]] std::unique_ptr<SQLite::Database> watched(
      std::unique_ptr<SQLite::Database> database) {
    checkpointer.watch(*database);
    return database;
  }

  // `work(Connection&)` in one transaction; `doing` is a few words, such as "accept tasks".
  template <class Work>
  auto write(std::string_view doing, Work&& work) {
    auto done = writer.write(fmt::format("{} in {}", doing, path), std::forward<Work>(work));
    if (!done) damage.note(done.error());
    return done;
  }
  // What reads before it writes, in the same place: see Writer::read.
  template <class Work>
  auto read_first(std::string_view doing, Work&& work) {
    auto done = writer.read(fmt::format("{} in {}", doing, path), std::forward<Work>(work));
    if (!done) damage.note(done.error());
    return done;
  }
  template <class Work>
  auto read(std::string_view doing, Work&& work) {
    auto done = readers.read(fmt::format("{} in {}", doing, path), std::forward<Work>(work));
    if (!done) damage.note(done.error());
    return done;
  }

  std::string path;
  sqlite::Damage damage;
  sqlite::Checkpointer checkpointer;  // outlives the writer's connection
  Writer writer;
  Readers readers;
};

// Takes `count` numbers of a rising series for good (`outbox`, `result`); answers the first. Inside
// a write transaction.
[[nodiscard]] std::uint64_t take_numbers(Connection& connection, const char* series,
                                         std::size_t count);

}  // namespace umbel::store_sqlite
