#!/bin/sh
# Starts PostgreSQL on NODE: as the primary if PRIMARY is the same name, or else as its standby. A
# primary without data begins with an empty database, a standby with a copy of the primary.
# Arguments are further ones of PostgreSQL, such as -c shared_buffers=1GB.
set -eu

refuse() {
    echo "start.sh: $1" >&2
    exit 1
}
for password in "$DATABASE_PASSWORD" "$STANDBY_PASSWORD"; do
    case $password in
        '' | *[!A-Za-z0-9]*) refuse "the passwords must be of letters and digits" ;;
    esac
done

# Data gets its name when it is whole, so nothing is started that a kill left behind.
new=$PGDATA.new
if [ ! -d "$PGDATA" ] && [ "$NODE" = "$PRIMARY" ]; then
    rm -rf "$new"
    initdb -D "$new" --username=postgres --encoding=UTF8 --no-locale --data-checksums \
        --auth-local=peer --auth-host=reject
    postgres --single -D "$new" postgres <<SQL
CREATE ROLE escrowd LOGIN PASSWORD '$DATABASE_PASSWORD'
CREATE ROLE standby LOGIN REPLICATION PASSWORD '$STANDBY_PASSWORD'
CREATE DATABASE escrowd OWNER escrowd
SQL
    mv "$new" "$PGDATA"
elif [ ! -d "$PGDATA" ]; then
    until rm -rf "$new" && PGPASSWORD=$STANDBY_PASSWORD pg_basebackup --pgdata="$new" --checkpoint=fast \
        --write-recovery-conf --dbname="host=$PRIMARY user=standby application_name=$NODE"; do
        sleep 1
    done
    mv "$new" "$PGDATA"
elif [ "$NODE" != "$PRIMARY" ] && [ ! -e "$PGDATA/standby.signal" ]; then
    refuse "the data is that of an earlier primary; remove it to make a standby of $PRIMARY"
fi

# A commit of the primary waits until one of these standbys has written it to its disk.
if [ "$NODE" = "$PRIMARY" ]; then
    set -- -c synchronous_standby_names="$STANDBYS" "$@"
fi
# wal_keep_size: how far a standby may fall behind and still catch up by itself.
# wal_retrieve_retry_interval: how soon it tries again to reach its primary, for which commits wait.
exec postgres -D "$PGDATA" -c listen_addresses="$NODE" -c hba_file="$(dirname "$0")/pg_hba.conf" \
    -c wal_keep_size=1GB -c wal_retrieve_retry_interval=1s "$@"
