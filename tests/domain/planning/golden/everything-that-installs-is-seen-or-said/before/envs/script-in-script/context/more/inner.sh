pip install -r list.txt
