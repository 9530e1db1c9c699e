#include "services/migration/engine/definition_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/engine/checksum.h"
#include "services/migration/engine/files.h"
#include "tests/unit/services/migration/folder.h"

namespace lockstep::migration {
namespace {

namespace fs = std::filesystem;

class DefinitionCacheTest : public ::testing::Test {
 protected:
  DefinitionCacheTest() {
    folder_.AddRevision("catalog", "c001");
    folder_.AddRevision("orders", "o001", "depends_on: \"c001\"\nreferences: \"core.unused\"\n");
    folder_.Write("releases.textproto",
                  "releases { name: \"v1\" date: \"2025-01-01\" revisions: \"c001\" }");
  }

  // What a load at `seconds_later` would take as stamps: files that were just written count as
  // settled then.
  FolderStamps SettledStamps() const {
    FolderStamps stamps = StampFiles(fs::canonical(folder_.root()).string());
    stamps.taken_ns += 1'000'000'000;
    return stamps;
  }
  LoadResult Store() const {
    const FolderStamps stamps = SettledStamps();
    LoadResult result = folder_.Inspect();
    EXPECT_TRUE(StoreCached(result, stamps, cache_.root()));
    return result;
  }
  std::optional<LoadResult> Fetch() const {
    return FetchCached(fs::canonical(folder_.root()).string(), cache_.root());
  }
  std::string CacheFile() const { return fs::directory_iterator(cache_.root())->path().string(); }

  const MigrationsFolder folder_;
  const MigrationsFolder cache_;
};

TEST_F(DefinitionCacheTest, GivesBackWhatWasLoaded) {
  folder_.Write("orders/repeatable/v.sql",
                "CREATE OR REPLACE VIEW transactions.v AS SELECT 1 AS id;");
  EXPECT_FALSE(Fetch().has_value());
  const LoadResult loaded = Store();
  const auto cached = Fetch();
  ASSERT_TRUE(cached.has_value());
  EXPECT_TRUE(cached->from_cache);
  EXPECT_EQ(cached->warnings, loaded.warnings);
  EXPECT_EQ(cached->definitions.root, loaded.definitions.root);
  ASSERT_EQ(cached->definitions.revisions.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const Revision& a = cached->definitions.revisions[i];
    const Revision& b = loaded.definitions.revisions[i];
    EXPECT_EQ(a.id, b.id);
    EXPECT_EQ(a.checksum, b.checksum);
    EXPECT_EQ(RevisionChecksum(a), b.checksum);
    EXPECT_EQ(a.steps[0].up.text, b.steps[0].up.text);
    EXPECT_EQ(a.steps[0].up.statements, b.steps[0].up.statements);
    EXPECT_EQ(a.steps[0].up.lines, b.steps[0].up.lines);
    EXPECT_EQ(a.steps[0].up.facts.written, b.steps[0].up.facts.written);
    EXPECT_EQ(a.verify.facts.read, b.verify.facts.read);
  }
  EXPECT_EQ(cached->definitions.releases[0].name, "v1");
  ASSERT_EQ(cached->definitions.repeatables.size(), 1U);
  const Repeatable& view = cached->definitions.repeatables[0];
  EXPECT_EQ(view.key(), "orders/v");
  EXPECT_EQ(view.objects, loaded.definitions.repeatables[0].objects);
  EXPECT_EQ(view.script.checksum, loaded.definitions.repeatables[0].script.checksum);
}

TEST_F(DefinitionCacheTest, AnyChangeOfTheFolderCounts) {
  const std::string up = folder_.root() + "/orders/o001_x/up.sql";
  const auto touch = [&](const char* file) {
    const std::string path = folder_.root() + "/" + file;
    const timespec times[2] = {{1, 0}, {1, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  };
  const std::vector<std::function<void()>> changes = {
      [&] {
        folder_.Write("orders/o001_x/up.sql", "CREATE TABLE transactions.longer_name (id int);");
      },
      [&] { touch("orders/o001_x/verify.sql"); },
      [&] { touch("releases.textproto"); },
      [&] { folder_.Write("orders/o001_x/guard.sql", "SELECT 1;"); },
      [&] { folder_.AddRevision("orders", "o002", "down_revision: \"o001\"\n"); },
      [&] { folder_.AddRevision("finance", "f001"); },
      [&] { folder_.Remove("finance"); },
      [&] {
        folder_.Write("orders/repeatable/v.sql",
                      "CREATE OR REPLACE VIEW transactions.v AS SELECT 1 AS id;");
      },
      [&] { touch("orders/repeatable/v.sql"); },
      [&] {
        folder_.Write("orders/repeatable/w.sql",
                      "CREATE OR REPLACE VIEW transactions.w AS SELECT id FROM transactions.v;");
      },
      [&] { folder_.Remove("orders/repeatable/w.sql"); },
      [&] { folder_.Remove("orders/o001_x/guard.sql"); },
      [&] {  // the same bytes and times under another inode
        struct stat before {};
        ASSERT_EQ(stat(up.c_str(), &before), 0);
        const std::string text = *ReadWholeFile(up);
        ASSERT_TRUE(WriteWholeFile(up, text, 0644));
        const timespec times[2] = {before.st_atim, before.st_mtim};
        ASSERT_EQ(utimensat(AT_FDCWD, up.c_str(), times, 0), 0);
      },
      // Last, because the folder does not load without it.
      [&] { folder_.Remove("releases.textproto"); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Store();
    ASSERT_TRUE(Fetch().has_value()) << i;
    changes[i]();
    EXPECT_FALSE(Fetch().has_value()) << i;
  }
}

TEST_F(DefinitionCacheTest, AChangeAnywhereInALargeFolderCounts) {
  const auto name = [](int number) { return "f" + std::to_string(1000 + number); };
  constexpr int kCount = 260;
  for (int i = 0; i < kCount; ++i) {
    folder_.AddRevision("finance", name(i),
                        i == 0 ? "" : "down_revision: \"" + name(i - 1) + "\"\n");
  }
  ASSERT_GT(SettledStamps().files.size(), 1200U);
  for (const int changed : {0, kCount / 2, kCount - 1}) {
    Store();
    ASSERT_TRUE(Fetch().has_value());
    folder_.Write("finance/" + name(changed) + "_x/verify.sql", "SELECT 1 WHERE 2 = 3;");
    EXPECT_FALSE(Fetch().has_value()) << changed;
  }
}

TEST_F(DefinitionCacheTest, YoungFilesAreNotCached) {
  const FolderStamps stamps = StampFiles(folder_.root());
  EXPECT_FALSE(StoreCached(folder_.Inspect(), stamps, cache_.root()));
}

TEST_F(DefinitionCacheTest, DamageIsNoticed) {
  Store();
  const std::string bytes = *ReadWholeFile(CacheFile());
  for (std::size_t at = 0; at < bytes.size(); at += 7) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    ASSERT_TRUE(WriteWholeFile(CacheFile(), damaged, 0600));
    EXPECT_FALSE(Fetch().has_value()) << at;
  }
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{5}, bytes.size() / 2, bytes.size() - 1}) {
    ASSERT_TRUE(WriteWholeFile(CacheFile(), bytes.substr(0, size), 0600));
    EXPECT_FALSE(Fetch().has_value()) << size;
  }
  ASSERT_TRUE(WriteWholeFile(CacheFile(), bytes, 0600));
  EXPECT_TRUE(Fetch().has_value());
}

TEST_F(DefinitionCacheTest, OnlyTheOwnerCanReadIt) {
  Store();
  struct stat info {};
  ASSERT_EQ(stat(CacheFile().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(DefinitionCacheTest, AnUnusableFolderIsNoError) {
  const LoadResult result = folder_.Inspect();
  EXPECT_FALSE(StoreCached(result, SettledStamps(), ""));
  EXPECT_FALSE(StoreCached(result, SettledStamps(), "/proc/nowhere"));
  EXPECT_FALSE(FetchCached(folder_.root(), "").has_value());
  EXPECT_FALSE(FetchCached("/nonexistent", cache_.root()).has_value());
}

TEST_F(DefinitionCacheTest, TheLoaderUsesItOnlyWhenAsked) {
  Store();
  EXPECT_TRUE(
      InspectDefinitions(folder_.root(), {.cache = CacheMode::kUse, .cache_dir = cache_.root()})
          .from_cache);
  EXPECT_FALSE(
      InspectDefinitions(folder_.root(), {.cache = CacheMode::kOff, .cache_dir = cache_.root()})
          .from_cache);
}

TEST(DefaultCacheDirTest, FollowsTheEnvironment) {
  setenv("XDG_CACHE_HOME", "/x/cache", 1);
  EXPECT_EQ(DefaultCacheDir(), "/x/cache/lockstep");
  unsetenv("XDG_CACHE_HOME");
  setenv("HOME", "/home/someone", 1);
  EXPECT_EQ(DefaultCacheDir(), "/home/someone/.cache/lockstep");
  unsetenv("HOME");
  EXPECT_EQ(DefaultCacheDir(), "");
}

}  // namespace
}  // namespace lockstep::migration
