import psycopg
from client import *
from soundness import *
from test_races import race, everybody, founded
V="C"
def test_a_b_c(founded):
    dsn=founded
    with psycopg.connect(dsn) as conn:
        threads=[[[movement("grant",f"{n}.{m}",5)] for m in range(4)] for n in range(6)]
        books={"A":[[[adoption("us-licensing-2026","2025-06-01")]]],"B":[[[adoption("us-diffusion-2025","2025-09-01")],[adoption("us-licensing-2026","2025-06-01")]]],"C":[[[adoption("us-diffusion-2025","2025-09-01")]],[[adoption("us-diffusion-2025","2025-10-01")]]]}[V]
        a=race(dsn,[*threads,*books])
        print([r.seq for l in a[6:] for r in l])
        print(conn.execute("select array_agg(seq) from journal where kind='movement.posted'").fetchall())
        print(conn.execute("select book,cap,day,chips from counter_day where cap like 'country%'").fetchall())
        print([len(x) for x in a], [r.code for x in a for r in x if r.code])
        assert_sound(conn)
